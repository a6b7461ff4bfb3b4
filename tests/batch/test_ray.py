"""The engine `ray`, on a cluster of two nodes of one processor each, of which one is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from symdiff import __version__
from symdiff.batch import ray_engine, ray_node
from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Resources, find_engine
from symdiff.batch.parcel import pack, unpack
from symdiff.batch.ray_engine import Ray, files_of
from symdiff.batch.running import Batch
from symdiff.batch.study import read_study
from symdiff.config import RunConfig
from symdiff.errors import ClusterError, DeviceError, MissingExtraError, OutputError, UsageError
from symdiff.progress import Silent
from tests.batch.conftest import FAKE, TEXT, is_alive, states, until

ray = pytest.importorskip("ray")

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""How soon the cluster notices that a node is lost."""


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, connected to; all their processes end, and their folder goes."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        given = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_TMPDIR": folder,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        (Path(folder) / "ray").mkdir()
        small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args={**small, "_system_config": QUICK})
        try:
            made.other = made.add_node(num_cpus=1, object_store_memory=80 * 2**20)
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@pytest.fixture
def on_the_cluster(cluster, tmp_path):
    """Run a study of as many seeds as wished, whose runs behave as wished: ``run(4, {1: "hang"}, timeout=2)``."""

    def run(seeds: int, wishes: dict[int, str], **resources) -> StudyDirectory:
        file = tmp_path / "tiny.toml"
        file.write_text(TEXT.replace("[0, 1, 2]", str(list(range(seeds)))))
        study = read_study(file)
        directory = StudyDirectory(study, tmp_path / "tiny")
        fake = json.dumps({str(seed): wish for seed, wish in wishes.items()})
        worker = ("env", f"FAKE={fake}", f"FAKE_VERSION={__version__}", *FAKE)
        with directory.held():
            batch = Batch(directory, Ray(Resources(**resources), worker), Silent())
            directory.state = batch.run([run.run_id for run in study.runs])
        return directory

    return run


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
        until(lambda: len(list(tmp_path.glob("tiny/runs/*/config.json"))) >= 2, "both nodes have a run")
        raylet = cluster.other.all_processes["raylet"][0].process.pid
        threads = Path(f"/proc/{raylet}/task").glob("*/children")
        workers = [pid for file in threads for pid in file.read_text().split()]
        for pid in (raylet, *workers):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        cluster.remove_node(cluster.other, allow_graceful=False)
        (tmp_path / "tiny" / "go").touch()

    loser = threading.Thread(target=lose)
    loser.start()
    directory = on_the_cluster(4, dict.fromkeys(range(4), "wait"))
    loser.join()
    assert states(directory) == ["done"] * 4
    assert "was lost with node" in caplog.text
    assert "attempt 1 of 3" in caplog.text
    said = [log_of(directory, seed).count("seed") for seed in range(4)]
    assert sorted(said)[-1] == 2  # only what was lost was begun twice
    assert 4 < sum(said) <= 4 + caplog.text.count("was lost with node")  # it may be lost before it says a word
    results = [json.loads(line) for line in (tmp_path / "tiny" / "results.jsonl").read_text().splitlines()]
    assert len(results) == 4


@pytest.mark.long
def test_a_run_whose_node_is_lost_again_and_again_has_failed(on_the_cluster, monkeypatch):
    monkeypatch.setattr(ray_engine, "attempt", _dies)
    monkeypatch.setattr(ray_engine, "ATTEMPTS", 2)
    cause = cause_of(on_the_cluster(1, {}), 0)
    assert (cause.code, "attempt 2 of 2" in cause.message) == ("node-lost", True)


def _dies(order, watch):
    os._exit(1)


# --- without a cluster ------------------------------------------------------------------------


def test_what_a_node_lacks_is_the_cause(tmp_path):
    order = ray_node.Order(
        run_id="r",
        config={},
        out="",
        log="",
        folder=str(tmp_path),
        token="",
        versions=ray_node.versions_here({}) | {"symdiff": "9.9", "plugin other": "other 1"},
        files=("net.py",),
        earlier={},
        threads=1,
        gpu=False,
        timeout=None,
        worker=None,
    )
    cause = ray_node.unfit(order, "n1")
    assert cause is not None
    assert cause.message.endswith(f": symdiff {__version__}, not 9.9; plugin other is absent, not other 1")
    same = replace(order, versions=ray_node.versions_here())
    cause = ray_node.unfit(same, "n1")
    assert cause is not None
    assert cause.message == f"node n1 has no net.py in {tmp_path}"
    (tmp_path / "net.py").touch()
    assert ray_node.unfit(same, "n1") is None


@pytest.mark.parametrize(
    ("address", "said"), [("127.0.0.1:1", "nothing answers at 127.0.0.1:1"), ("ray://here:10001", "no address")]
)
def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch, address, said):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ClusterError, match=said):
        Ray(Resources(address=address))


def test_a_cluster_of_another_version_is_refused_with_both(monkeypatch):
    def refuse(**how):
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.1\n    Python: 3.9")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(ClusterError, match=r"Version mismatch: .* Ray: 2\.1 Python: 3\.9") as caught:
        Ray(Resources(address="auto"))
    assert "one version" in caught.value.hint


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
