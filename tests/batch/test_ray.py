"""The engine `ray`, on a cluster of two nodes of one processor each, of which one is lost."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from symdiff import __version__
from symdiff.batch import ray_engine, ray_node
from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Job, Resources, find_engine
from symdiff.batch.parcel import pack, unpack
from symdiff.batch.ray_address import refuse_unreachable
from symdiff.batch.ray_engine import Ray, files_of
from symdiff.batch.running import Batch
from symdiff.batch.scratch import scratch
from symdiff.batch.study import read_study
from symdiff.config import RunConfig
from symdiff.errors import ClusterError, DeviceError, MissingExtraError, OutputError, UsageError
from symdiff.progress import Silent
from tests.batch.conftest import FAKE, TEXT, is_alive, states, until

ray = pytest.importorskip("ray")

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""How soon the cluster notices that a node is lost."""


BOUND = 240
"""Seconds a test, or the beginning of the cluster, may take on a busy machine before it fails; they take far less."""


@contextmanager
def bounded(what: str):
    """Fail rather than hang, whatever waits."""

    def fail(number, frame):
        raise TimeoutError(f"{what} takes more than {BOUND} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(BOUND)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _every_test_ends(request):
    with bounded(request.node.name):
        yield


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, connected to; all their processes end, and their folder goes."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        given = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_TMPDIR": folder,
            "RAY_worker_niceness": "0",  # beside other tests nice processes may get no time at all
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            (Path(folder) / "ray").mkdir()
            try:
                made = _begin_cluster()
            except Exception:  # a port was taken meanwhile, or the machine is busy: once more, and then it has failed
                made = _begin_cluster()
            try:
                yield made
            finally:
                _end_cluster(made)


def _begin_cluster():
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster()
    try:
        with bounded("the beginning of the cluster"):
            made.add_node(**small, _system_config=QUICK)
            made.other = made.add_node(num_cpus=1, object_store_memory=80 * 2**20)
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    except BaseException:
        _end_cluster(made)
        raise
    return made


def _end_cluster(made):
    with bounded("the end of the cluster"):
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def on_the_cluster(cluster, tmp_path):
    """Run a study of as many seeds as wished, whose runs behave as wished: ``run(4, {1: "hang"}, timeout=2)``."""

    def run(seeds: int, wishes: dict[int, str], **resources) -> StudyDirectory:
        study = read_study(_study(tmp_path, seeds))
        directory = StudyDirectory(study, tmp_path / "tiny")
        fake = json.dumps({str(seed): wish for seed, wish in wishes.items()})
        worker = ("env", f"FAKE={fake}", f"FAKE_VERSION={__version__}", *FAKE)
        with directory.held():
            batch = Batch(directory, Ray(Resources(**resources), worker), Silent())
            directory.state = batch.run([run.run_id for run in study.runs])
        return directory

    return run


def _study(folder: Path, seeds: int) -> Path:
    file = folder / "tiny.toml"
    file.write_text(TEXT.replace("[0, 1, 2]", str(list(range(seeds)))))
    return file


def cause_of(directory: StudyDirectory, seed: int):
    cause = directory.records[directory.study.runs[seed].run_id].cause
    assert cause is not None
    return cause


def log_of(directory: StudyDirectory, seed: int) -> str:
    return directory.log(directory.study.runs[seed]).read_text()


@pytest.mark.long
def test_runs_that_crash_or_never_end_cost_themselves_and_nothing_stays_behind(on_the_cluster, tmp_path):
    directory = on_the_cluster(4, {1: "segfault", 2: "hang"}, timeout=3.0)
    assert states(directory) == ["done", "failed", "failed", "done"]
    assert cause_of(directory, 1).message == "ended by SIGSEGV"
    assert cause_of(directory, 2).code == "timeout"
    pids = [int(file.read_text()) for name in ("pid", "child") for file in tmp_path.glob(f"tiny/runs/*/{name}")]
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "tiny" / "runs" / ray_node.TOKEN).exists()


def test_a_node_that_does_not_see_the_study_returns_what_a_run_wrote_and_said(on_the_cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(ray_engine, "TOKEN", ".elsewhere.tmp")
    directory = on_the_cluster(3, {1: "refuse"})
    assert states(directory) == ["done", "failed", "done"]
    assert "the <loss> is NaN" in cause_of(directory, 1).message
    assert log_of(directory, 0) == "seed 0 on 1 threads\n"
    left = sorted(path.name for path in (tmp_path / "tiny" / "runs").iterdir())
    assert left == sorted(run.run_id for run in directory.study.runs)


@pytest.mark.long
def test_stopping_ends_what_runs_and_leaves_it_to_do(on_the_cluster, monkeypatch, tmp_path):
    def wait(engine, seconds):
        until(lambda: list(tmp_path.glob("tiny/runs/*/pid")), "a run hangs")
        raise OSError("a defect")

    monkeypatch.setattr(Ray, "wait", wait)
    with pytest.raises(OSError, match="a defect"):
        on_the_cluster(1, {0: "hang"})
    pid = int(next(tmp_path.glob("tiny/runs/*/pid")).read_text())
    assert not is_alive(pid)
    (run,) = json.loads((tmp_path / "tiny" / "status.json").read_text())["runs"]
    assert (run["state"], run["cause"]) == ("todo", None)


def test_a_lost_node_costs_no_run(cluster, on_the_cluster, tmp_path, caplog):
    def lose():
        try:
            files = until(lambda: [f for f in tmp_path.glob("tiny/runs/*/pid") if f.read_text()][1:], "two run", BOUND)
            runs = [int(file.read_text()) for file in files[0].parents[1].glob("*/pid")]
            raylet = cluster.other.all_processes["raylet"][0].process.pid
            threads = Path(f"/proc/{raylet}/task").glob("*/children")
            workers = [pid for file in threads for pid in file.read_text().split()]
            for pid in (raylet, *workers):
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            cluster.remove_node(cluster.other, allow_graceful=False)
            until(lambda: not all(is_alive(pid) for pid in runs), "the run on the lost node ends with it", BOUND)
        finally:
            (tmp_path / "tiny" / "go").touch()

    loser = threading.Thread(target=lose)
    loser.start()
    directory = on_the_cluster(4, dict.fromkeys(range(4), "wait"))
    loser.join()
    assert states(directory) == ["done"] * 4
    lost = [message for message in caplog.messages if "was lost on node" in message]
    assert len(lost) == 1
    assert "attempt 1 of 3" in lost[0]
    said = [log_of(directory, seed).count("seed") for seed in range(4)]
    assert sorted(said) == [1, 1, 1, 2]  # only what was at work on the lost node was begun twice
    results = [json.loads(line) for line in (tmp_path / "tiny" / "results.jsonl").read_text().splitlines()]
    assert len(results) == 4


def test_what_the_engine_takes_for_ray_is_ray(cluster):
    refuse_unreachable(cluster.address)


@pytest.mark.long
def test_a_result_that_is_too_large_to_be_sent_is_told_with_what_to_do(on_the_cluster, monkeypatch):
    monkeypatch.setattr(ray_engine, "TOKEN", ".elsewhere.tmp")
    monkeypatch.setattr(ray_engine, "attempt", _attempt_with_small_parcels)
    cause = cause_of(on_the_cluster(1, {}), 0)
    assert "more than the 0 MiB that are sent between nodes" in cause.message
    assert cause.hint == "put the study into a folder that all nodes share"


def _attempt_with_small_parcels(order, watch, offer):
    ray_node.pack = lambda out: pack(out, limit=10)
    try:
        return ray_node.attempt(order, watch, offer)
    finally:
        ray_node.pack = pack


@pytest.mark.long
def test_a_node_without_the_plugin_or_the_model_of_a_run_is_named_and_begins_nothing(
    on_the_cluster, monkeypatch, tmp_path
):
    monkeypatch.setattr(ray_engine, "taking_part", lambda config: {"mine": "mine 1"} if config.seed == 0 else {})
    monkeypatch.setattr(ray_engine, "files_of", lambda config: ("only/here.py",) if config.seed == 1 else ())
    directory = on_the_cluster(3, {})
    assert states(directory) == ["failed", "failed", "done"]
    assert "plugin mine is absent, not mine 1" in cause_of(directory, 0).message
    assert "has no only/here.py in" in cause_of(directory, 1).message
    assert not directory.log(directory.study.runs[0]).exists()


@pytest.mark.long
def test_a_run_whose_node_is_lost_again_and_again_has_failed(on_the_cluster, monkeypatch):
    monkeypatch.setattr(ray_engine, "attempt", _dies)
    monkeypatch.setattr(ray_engine, "ATTEMPTS", 2)
    cause = cause_of(on_the_cluster(1, {}), 0)
    assert cause.code == "node-lost"
    assert "was lost on node n2, attempt 2 of 2" in cause.message


def _dies(order, watch, offer):
    ray.get(watch.begin.remote(order.run_id, offer, f"n{offer}"))
    os._exit(1)


@pytest.mark.long
def test_nodes_that_are_lost_before_a_run_begins_are_offered_for_a_time(on_the_cluster, monkeypatch, caplog):
    monkeypatch.setattr(ray_engine, "attempt", _never_begins)
    monkeypatch.setattr(ray_engine, "UNBEGUN", 8.0)
    cause = cause_of(on_the_cluster(1, {}), 0)
    assert cause.code == "node-lost"
    assert "was lost before it began (" in cause.message
    assert len([message for message in caplog.messages if "it is begun again" in message]) >= 2


def _never_begins(order, watch, offer):
    os._exit(1)


@pytest.mark.long
def test_a_lost_node_that_does_not_see_the_study_leaves_no_folder_for_longer_than_the_next_attempt(
    on_the_cluster, monkeypatch, tmp_path
):
    temporary = Path(tempfile.gettempdir())
    left = set(temporary.glob("symdiff-run-*"))
    monkeypatch.setattr(ray_engine, "TOKEN", ".elsewhere.tmp")
    monkeypatch.setattr(ray_engine, "attempt", _dies_the_first_time)
    directory = on_the_cluster(1, {})
    assert states(directory) == ["done"]
    assert set(temporary.glob("symdiff-run-*")) == left


def _dies_the_first_time(order, watch, offer):
    if offer == 1:
        ray.get(watch.begin.remote(order.run_id, offer, "n1"))
        with scratch("symdiff-run-", Path(tempfile.gettempdir())) as folder:
            (folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    return ray_node.attempt(order, watch, offer)


@pytest.mark.long
def test_an_interrupted_run_goes_on_from_what_it_left_where_its_node_does_not_see_it(
    on_the_cluster, monkeypatch, tmp_path
):
    monkeypatch.setattr(ray_engine, "TOKEN", ".elsewhere.tmp")
    study = read_study(_study(tmp_path, 1))
    directory = StudyDirectory(study, tmp_path / "tiny")
    with directory.held():
        out = directory.run_directory(study.runs[0])
        out.mkdir(parents=True)
        (out / "checkpoint").write_text("half way")
    assert states(on_the_cluster(1, {})) == ["done"]
    assert (out / "checkpoint").read_text() == "half way"  # it was sent, and came back


# --- the command, on a cluster it begins itself -------------------------------------------------

COMMAND = (
    "import functools, signal, sys; import symdiff.batch.ray_engine as engine; from symdiff.cli import main;"
    "signal.signal(signal.SIGINT, signal.default_int_handler);"
    f"engine.Ray = functools.partial(engine.Ray, worker={FAKE!r});"
    "main(['batch', 'run', *sys.argv[1:], '--engine', 'ray'])"
)


@pytest.fixture
def command(tmp_path):
    """Begin the command on a study of two seeds, in a folder with spaces: ``command({0: "hang"}, "--json")``."""
    folder = tmp_path / "my  studies"
    folder.mkdir()
    begun = []

    def begin(wishes: dict[int, str], *flags: str, text: str = TEXT.replace("[0, 1, 2]", "[0, 1]")):
        (folder / "tiny.toml").write_text(text)
        fake = json.dumps({str(seed): wish for seed, wish in wishes.items()})
        given = os.environ | {"RAY_worker_niceness": "0", "FAKE": fake}
        line = [sys.executable, "-c", COMMAND, "tiny.toml", *flags]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(line, cwd=folder, env=given, start_new_session=True, **pipe))
        return begun[-1]

    begin.folder = folder
    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def _hanging(folder: Path) -> list[int]:
    """The processes of a run that hangs, once it does."""
    files = until(lambda: [f for f in folder.glob("tiny/runs/*/pid") if f.read_text()], "a run hangs", BOUND)
    return [int((files[0].parent / name).read_text()) for name in ("pid", "child")]


def _folders_of_ray() -> set[Path]:
    return set(Path("/tmp").glob("ray-*"))


@pytest.mark.long
def test_ctrl_c_finishes_what_runs_on_the_cluster_and_a_second_one_stops_it(command):
    before = _folders_of_ray()
    process = command({0: "hang"}, "--json", "--jobs", "1")
    pids = _hanging(command.folder)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    until(lambda: "Ctrl-C again" in process.stderr.readline(), "it says that it finishes", BOUND)
    assert is_alive(pids[0])
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=BOUND)
    assert process.returncode == 130
    assert "Traceback" not in err
    document = json.loads(out)
    assert (document["state"], [run["state"] for run in document["runs"]]) == ("stopped", ["todo"] * 2)
    assert not any(is_alive(pid) for pid in pids)
    assert _folders_of_ray() <= before


@pytest.mark.long
def test_a_killed_command_leaves_no_run_behind_on_the_cluster_and_the_same_one_resumes(command):
    before = _folders_of_ray()
    process = command({1: "hang"}, "--jobs", "1")
    pids = _hanging(command.folder)
    process.kill()
    process.communicate()
    until(lambda: not any(is_alive(pid) for pid in pids), "the run ends", BOUND)
    out, _ = command({}, "--json").communicate(timeout=BOUND)
    document = json.loads(out)
    assert [(run["state"], run["attempts"]) for run in document["runs"]] == [("done", 1), ("done", 2)]
    assert _folders_of_ray() <= before


@pytest.mark.long
def test_the_limits_of_a_run_hold_on_the_cluster_and_fail_fast_begins_nothing_more(command):
    text = TEXT.replace("[0, 1, 2]", "[0, 1, 2, 3]")
    flags = ("--json", "--jobs", "1", "--timeout", "60", "--memory", "0.2")
    out, _ = command({0: "leak", 2: "crash"}, *flags, "--fail-fast", text=text).communicate(timeout=BOUND)
    document = json.loads(out)
    assert [run["state"] for run in document["runs"]] == ["failed", "todo", "todo", "todo"]
    assert "more than the 0.2 GB of --memory" in document["runs"][0]["cause"]["message"]


# --- without a cluster ------------------------------------------------------------------------


@pytest.fixture
def engine(monkeypatch):
    """An engine on a node that is made up."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0}}])
    return Ray(Resources())


def _order(folder: Path) -> ray_node.Order:
    """A run that reads one file."""
    return ray_node.Order(
        run_id="r",
        config={},
        out="",
        log="",
        folder=str(folder),
        token="",
        versions=ray_node.versions_here(),
        files=("net.py",),
        threads=1,
        gpu=False,
        timeout=None,
        memory=None,
        worker=None,
    )


def _lose(engine, monkeypatch, job, places: list[str | None]):
    """How a run ends whose offers are lost on these nodes, ``None`` before it began; and the pauses before the next."""
    monkeypatch.setattr(engine, "_where", lambda running: places[running.offers - 1])
    running = ray_engine._Running(job, _order(job.out.parent), 0.0)
    now, pauses = 0.0, []
    monkeypatch.setattr(ray_engine.time, "monotonic", lambda: now)
    for _ in places:
        running.offers += 1
        ended = engine._lost(running, 1.0, ray.exceptions.NodeDiedError("node 7 died"))
        if ended:
            return ended.cause, pauses
        ((when, _),) = engine._resting
        engine._resting.clear()
        pauses.append(when - now)
        now = when
    return None, pauses


def test_a_node_that_is_lost_before_the_run_begins_costs_no_attempt_but_ever_longer_pauses_and_not_for_ever(
    engine, monkeypatch, tmp_path, caplog
):
    job = Job("r", RunConfig(model="gaussian"), tmp_path / "r", tmp_path / "r.log")
    cause, pauses = _lose(engine, monkeypatch, job, ["n1", None, None, None, "n2", None])
    assert (cause, pauses) == (None, [0.5, 1.0, 2.0, 4.0, 0.5, 1.0])
    assert "was lost on node n2, attempt 2 of 3 (NodeDiedError)" in caplog.messages[-2]
    assert "was lost before it began (node 7 died)" in caplog.messages[-1]
    cause, _ = _lose(engine, monkeypatch, job, ["n1", None, "n2", "n3"])
    assert cause.message == "the run was lost on node n3, attempt 3 of 3 (NodeDiedError)"
    cause, pauses = _lose(engine, monkeypatch, job, [None] * 100)
    assert (cause.code, cause.message) == ("node-lost", "the run was lost before it began (node 7 died)")
    assert max(pauses) == ray_engine.LONGEST
    assert ray_engine.UNBEGUN < sum(pauses) <= ray_engine.UNBEGUN + ray_engine.LONGEST + 1


def test_a_run_whose_directory_became_something_else_is_lost_like_any_other(engine, monkeypatch, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.tex").touch()
    job = Job("r", RunConfig(model="gaussian"), tmp_path / "r", tmp_path / "r.log")
    assert _lose(engine, monkeypatch, job, ["n1"]) == (None, [0.5])


def test_the_node_of_an_earlier_offer_is_not_that_of_a_later_one():
    watch = ray_node.Watch()
    assert watch.where("r", 1) is None
    watch.begin("r", 1, "n1")
    assert (watch.where("r", 1), watch.where("r", 2)) == ("n1", None)


def test_what_an_earlier_attempt_left_is_sent_when_asked_for_or_the_reason_why_not(monkeypatch, tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"half way")
    watch = ray_node.Watch()
    assert watch.earlier(str(tmp_path)) == ({"checkpoint": b"half way"}, "")
    assert watch.earlier(str(tmp_path / "absent")) == ({}, "")
    monkeypatch.setattr(ray_node, "pack", lambda out: pack(out, limit=0))
    parcel, told = watch.earlier(str(tmp_path))
    assert not parcel
    assert told.startswith("it begins anew on a node that does not share its folder: the run takes 0 MiB")


def test_scratch_folders_of_dead_processes_go_with_the_next_one_and_others_stay(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    with scratch("run-", tmp_path) as mine:
        (mine / "file").touch()
        named = mine.name.replace(f"-{os.getpid()}-", "-{}-")
        killed, held, other = (tmp_path / named.format(pid) for pid in (f"{dead.pid}-", dead.pid, "1-"))
        elsewhere = tmp_path / f"run-000000-{dead.pid}-abc"
        for folder in (killed, held, other, elsewhere):
            folder.mkdir()
        lock = os.open(held, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with scratch("run-", tmp_path) as second:
            assert set(tmp_path.iterdir()) == {mine, second, held, other, elsewhere}
        os.close(lock)
        with scratch("run-", tmp_path):
            assert not held.exists()
    assert set(tmp_path.iterdir()) == {other, elsewhere}


def test_what_a_node_lacks_is_the_cause(tmp_path):
    order = replace(
        _order(tmp_path), versions=ray_node.versions_here({}) | {"symdiff": "9.9", "plugin other": "other 1"}
    )
    cause = ray_node.unfit(order, "n1")
    assert cause is not None
    assert cause.message.endswith(f": symdiff {__version__}, not 9.9; plugin other is absent, not other 1")
    same = _order(tmp_path)
    cause = ray_node.unfit(same, "n1")
    assert cause is not None
    assert cause.message == f"node n1 has no net.py in {tmp_path}"
    (tmp_path / "net.py").touch()
    assert ray_node.unfit(same, "n1") is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nothing answers at 127.0.0.1:1"),
        ("ray://here:10001", "no address"),
        ("127.0.0.1:99999", "no address"),
        ("here", "no address"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch, address, said):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ClusterError, match=said):
        Ray(Resources(address=address))


def test_what_answers_but_is_no_cluster_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            line, _ = server.accept()
            with line:
                line.recv(1000)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ClusterError, match="is no Ray cluster"):
            Ray(Resources(address=f"127.0.0.1:{server.getsockname()[1]}"))
        thread.join()


def test_a_cluster_of_another_version_is_refused_with_both(monkeypatch):
    def refuse(**how):
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1\n    Python: 3.9")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(ClusterError, match=r"Version mismatch: .* Ray: 2\.1 Python: 3\.9") as caught:
        Ray(Resources(address="auto"))
    assert "of one version" in caught.value.hint


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as caught:
        find_engine("ray")(Resources())
    assert caught.value.hint == "pip install 'symdiff-toolkit[ray]'"


def test_more_gpus_than_the_cluster_has_are_refused(monkeypatch):
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}, {"Alive": False, "Resources": {"GPU": 8.0}}]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    with pytest.raises(DeviceError, match="--gpus is 3, but the cluster has 2"):
        Ray(Resources(gpus=3))


@pytest.mark.parametrize(
    ("asked", "capacity", "cpus"),
    [
        ({}, 12, 1),
        ({"jobs": 2}, 2, 4),
        ({"jobs": 40}, 12, 1),
        ({"gpus": 2}, 2, 4),
        ({"gpus": 2, "gpu_share": 0.25}, 8, 1),
        ({"gpus": 2, "gpu_share": 0.25, "jobs": 3}, 3, 2),
        ({"gpus": 2, "jobs": 3}, 3, 2),
    ],
)
def test_runs_share_the_processors_and_the_gpus_of_the_nodes(monkeypatch, asked, capacity, cpus):
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}, {"Alive": True, "Resources": {"CPU": 4.0}}]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    engine = Ray(Resources(**asked))
    assert (engine.capacity, engine.cpus) == (capacity, cpus)


def test_the_files_of_a_run_are_those_its_configuration_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").touch()
    (tmp_path / "pictures.npy").touch()
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "digits").mkdir()
    assert files_of(RunConfig(model="net.py:make", data="pictures.npy")) == ("pictures.npy", "net.py")
    assert files_of(RunConfig(model="diffusers:pipeline")) == ("pipeline",)
    assert files_of(RunConfig(model="digits")) == ()


def test_a_parcel_restores_a_directory_in_place_of_what_was_there(tmp_path):
    there, here = tmp_path / "there", tmp_path / "runs" / "here"
    (there / "deep").mkdir(parents=True)
    (there / "deep" / "a").write_bytes(b"1")
    (there / ".b.1.tmp").write_bytes(b"half")
    here.mkdir(parents=True)
    (here / "old").touch()
    unpack(pack(there), here)
    assert [path.name for path in here.rglob("*")] == ["deep", "a"]
    assert list((tmp_path / "runs").iterdir()) == [here]
    with pytest.raises(OutputError, match="more than the 0 MiB"):
        pack(there, limit=0)
    with pytest.raises(OutputError, match="outside of its run"):
        unpack({"../x": b""}, here)
    assert [path.name for path in here.rglob("*")] == ["deep", "a"]


def test_a_share_is_part_of_a_gpu_that_is_there():
    assert Resources(gpus=2, gpu_share=0.1).slots == 20
    with pytest.raises(UsageError, match=r"--gpu-share is 1\.5"):
        Resources(gpus=1, gpu_share=1.5)
    with pytest.raises(UsageError, match="without GPUs"):
        Resources(gpu_share=0.5)
    with pytest.raises(UsageError, match="the engine is local"):
        find_engine("local")(Resources(address="auto"))
