"""Runs that are forked from a template are the runs they would be, and its death costs none of them."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from symdiff.batch.engine import Job, Resources
from symdiff.batch.local import Local
from symdiff.config import RunConfig
from symdiff.plugins import resolve
from tests.batch.conftest import FAKE, FAKE_TEMPLATE, is_alive, states, until
from tests.batch.test_faults import pid_of

PARENT = (
    "import functools, signal, sys; import symdiff.batch.local as local; from symdiff.cli import main;"
    f"local.Local = functools.partial(local.Local, worker={FAKE!r}, template={FAKE_TEMPLATE!r});"
    "main(['batch', 'run', *sys.argv[1:]])"
)


@pytest.fixture
def said(caplog, monkeypatch):
    """What the log of symdiff says, whatever the command line made of it before."""
    monkeypatch.setattr(logging.getLogger("symdiff"), "propagate", True)
    caplog.set_level(logging.INFO, "symdiff")
    return caplog


def parents(name: str) -> dict[int, int]:
    """The parent of every process whose command has `name` in it."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if name in (folder / "cmdline").read_text():
                    stat = (folder / "stat").read_text().rpartition(")")[2].split()
                    found[int(folder.name)] = int(stat[1])
            except OSError:
                continue
    return found


def status_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_runs_are_forks_with_a_session_an_input_and_a_log_of_their_own(go, behaviour, tmp_path, said):
    behaviour(s1="hang")
    found = {}

    def look() -> None:
        pid = pid_of(tmp_path)
        found["command"] = Path(f"/proc/{pid}/cmdline").read_text()
        found["session"] = int(status_of(pid)[3]) == pid
        os.kill(pid, signal.SIGKILL)

    looking = threading.Thread(target=look)
    looking.start()
    directory = go(jobs=2, warm=True)
    looking.join()
    assert states(directory) == ["done", "failed", "done"]
    assert ("fake_template" in found["command"], found["session"]) == (True, True)
    assert "SIGKILL" in str(directory.records[directory.study.runs[1].run_id].cause)
    assert not is_alive(pid_of(tmp_path, "child"))
    for run in directory.study.runs:
        assert directory.log(run).read_text().startswith(f"seed {run.config.seed} on 1 threads")
    assert not [pid for pid, parent in parents("fake_template").items() if parent == os.getpid()]
    assert [record.message for record in said.records if "template" in record.message] == []


@pytest.mark.parametrize(
    ("wish", "code", "told"),
    [
        ("segfault", "killed", "SIGSEGV"),
        ("crash", "crashed", "exit code 3"),
        ("nothing", "no-result", "left no result"),
    ],
)
def test_how_a_fork_ended_is_told(go, behaviour, wish, code, told):
    behaviour(s1=wish)
    directory = go(warm=True)
    assert states(directory) == ["done", "failed", "done"]
    cause = directory.records[directory.study.runs[1].run_id].cause
    assert (cause.code, told in cause.message) == (code, True)


def test_a_killed_template_costs_no_run_and_is_replaced(go, behaviour, tmp_path, said):
    behaviour(s0="slow", s1="hang")

    def kill() -> None:
        worker = pid_of(tmp_path)
        template = int(status_of(worker)[1])
        os.kill(template, signal.SIGKILL)
        until(lambda: not is_alive(template), "the template dies")
        os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    directory = go(jobs=2, warm=True)
    killer.join()
    # Seed 0 went on without its template; that seed 1 was killed, nobody is left to say; seed 2 has another template.
    assert states(directory) == ["done", "failed", "done"]
    cause = directory.records[directory.study.runs[1].run_id].cause
    assert (cause.code, "nobody knows how" in cause.message) == ("killed", True)
    assert "the template of the runs died" in said.text
    assert "imports everything itself" not in said.text


@pytest.mark.long
def test_a_killed_parent_leaves_neither_template_nor_run(behaviour, file, tmp_path, go):
    behaviour(s1="hang")
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(file)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    worker = pid_of(tmp_path)
    template = int(status_of(worker)[1])
    assert int(status_of(template)[1]) == process.pid
    process.kill()
    process.wait()
    until(lambda: not is_alive(worker) and not is_alive(template), "both end")
    behaviour()
    directory = go(warm=True)
    assert (states(directory), directory.state) == (["done"] * 3, "done")
    assert [record.attempts for record in directory.records.values()] == [1, 2, 1]


@pytest.mark.parametrize(
    ("wish", "told"), [("thread", "started 1 threads"), ("crash", "3 templates in a row have died")]
)
def test_a_template_that_cannot_be_forked_is_done_without_and_that_is_said(go, monkeypatch, said, wish, told):
    monkeypatch.setenv("FAKE_TEMPLATE", wish)
    directory = go(warm=True)
    assert states(directory) == ["done"] * 3
    assert told in said.text
    assert said.text.count("imports everything itself") == 1


def test_cuda_in_the_template_refuses_a_fork(monkeypatch):
    from symdiff.batch import template

    class Alone:
        def iterdir(self):
            return [Path("/proc/self/task") / str(os.getpid())]

    monkeypatch.setattr(template, "TASKS", Alone())
    assert template.unsafe() == ""
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    assert "CUDA" in template.unsafe()


def test_libraries_with_different_numbers_of_threads_are_begun_from_nothing(monkeypatch, tmp_path, said):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("symdiff.batch.local.cores", lambda: 4)
    engine = Local(Resources())
    assert set(engine.environment(0).values()) >= {"1"}
    assert engine.environment(0)["MKL_NUM_THREADS"] == "1"
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    assert engine.warm.fork(0, 1, engine.environment(0), tmp_path) is None
    assert "different numbers of threads" in said.text


def test_a_forked_run_finds_what_a_fresh_one_finds_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMDIFF_CACHE", str(tmp_path / "cache"))
    flags = {"model": "gaussian", "steps": 4, "trajectories": 20, "length": 2, "latent": 2, "train_steps": 2}
    config = resolve(RunConfig(**flags, options={"rho": "exact"}))[0]
    for name, engine in (("warm", Local(Resources())), ("cold", Local(Resources(), template=None))):
        engine.start(Job(name, config, tmp_path / name, tmp_path / "logs" / f"{name}.log"))
        assert (engine.warm.pid is not None) is (name == "warm")
        [ended] = until(lambda engine=engine: engine.wait(1.0), "it ends")
        engine.stop()
        assert ended.cause is None
    for file in ("config.json", "environment.json", "metrics.jsonl", "hae.safetensors", "figures.safetensors"):
        assert (tmp_path / "warm" / file).read_bytes() == (tmp_path / "cold" / file).read_bytes()
    warm, cold = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("warm", "cold"))
    assert warm.pop("timing").keys() == cold.pop("timing").keys()
    assert json.dumps(warm) == json.dumps(cold)
