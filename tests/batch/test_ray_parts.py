"""The parts of the engine `ray`, without a cluster."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from symdiff import __version__
from symdiff.batch import ray_engine, ray_node
from symdiff.batch.engine import Job, Resources, find_engine
from symdiff.batch.parcel import pack, unpack
from symdiff.batch.ray_engine import Ray, files_of
from symdiff.batch.scratch import scratch
from symdiff.config import RunConfig
from symdiff.errors import ClusterError, DeviceError, MissingExtraError, OutputError, UsageError

ray = pytest.importorskip("ray")


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
