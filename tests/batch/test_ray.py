"""The engine `ray`, on a cluster of two nodes of one processor each, of which one is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from symdiff import __version__
from symdiff.batch import ray_engine, ray_node
from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Resources
from symdiff.batch.parcel import pack
from symdiff.batch.ray_address import refuse_unreachable
from symdiff.batch.ray_engine import Ray
from symdiff.batch.running import Batch
from symdiff.batch.scratch import scratch
from symdiff.batch.study import read_study
from symdiff.progress import Silent
from tests.batch.bounds import BOUND, bounded
from tests.batch.conftest import FAKE, TEXT, is_alive, states, until

ray = pytest.importorskip("ray")

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""How soon the cluster notices that a node is lost."""


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


@pytest.mark.long
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
