"""What a run may take, what the study will take, and a clock that nobody should trust."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from symdiff.batch.directory import Record
from symdiff.batch.engine import Resources, make_engine
from symdiff.batch.estimate import GUESSED_SECONDS, Times, makespan, missing_recordings
from symdiff.batch.local import Local
from symdiff.batch.memory import resident
from symdiff.batch.study import read_study
from symdiff.batch.telling import ToFile, Told, read_told
from symdiff.errors import DeviceError, EngineError, PluginError
from symdiff.trajectories import recorded
from tests.batch.conftest import states


def test_a_run_that_leaks_is_ended_at_its_limit_and_says_so(go, behaviour):
    behaviour(s1="leak")
    directory = go(memory=200_000_000)
    assert states(directory) == ["done", "failed", "done"]
    cause = directory.records[directory.study.runs[1].run_id].cause
    assert (cause.code, "more than the 0.2 GB of --memory" in cause.message) == ("memory", True)


def test_what_processes_of_another_session_hold_does_not_count():
    assert resident({2**22 + 1}) == {2**22 + 1: 0}


def test_a_memory_limit_is_refused_where_nobody_says_what_is_held(monkeypatch, tmp_path):
    monkeypatch.setattr("symdiff.batch.memory.PROCESSES", tmp_path)
    with pytest.raises(DeviceError, match="needs /proc"):
        Local(Resources(memory=10**9))


def test_a_clock_that_jumps_ends_no_run_and_lengthens_none(go, behaviour, monkeypatch):
    behaviour(s0="slow", s1="hang")
    jumps = iter(range(10**9))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * (-1) ** next(jumps) * next(jumps))
    directory = go(timeout=4.0, jobs=2)
    assert states(directory) == ["done", "failed", "done"]
    assert [0 < record.seconds < 60 for record in directory.records.values()] == [True] * 3


class Whole:
    capacity = 1

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def start(self, job): ...
    def wait(self, seconds): ...
    def stop(self): ...


class Headless(Whole):
    stop = None


class Unlimited(Whole):
    capacity = "many"


class Empty:
    def __init__(self, resources: Resources) -> None: ...


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Empty, "has no capacity, start, wait, stop"),
        (Headless, "stop cannot be called"),
        (Unlimited, "a capacity of 'many'"),
        (lambda: None, "cannot be constructed: TypeError"),
    ],
)
def test_an_engine_that_is_none_is_refused_by_name(monkeypatch, kind, said):
    registry = SimpleNamespace(engines={"odd": kind, "whole": Whole})
    monkeypatch.setattr("symdiff.batch.engine.load_plugins", lambda: registry)
    assert isinstance(make_engine("whole", Resources()), Whole)
    with pytest.raises(EngineError, match="'odd'") as caught:
        make_engine("odd", Resources())
    assert said in caught.value.message
    assert isinstance(caught.value, PluginError)


def test_the_estimate_of_recordings_is_their_size(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMDIFF_CACHE", str(tmp_path))
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname = "s"\n[defaults]\nmodel = "gaussian"\nsteps = 6\ntrajectories = 200\n'
        '[matrix]\ngroup = ["affine", "escnn"]\nseed = [0, 1]\n'
    )
    runs = read_study(file).runs
    missing = missing_recordings(runs)
    assert len(missing) == 2  # the groups share them
    from symdiff.models import find_denoiser, find_sampler

    denoiser = find_denoiser("gaussian")
    recorded(denoiser, find_sampler(None, denoiser), 6, 200, 0, "cpu")
    [left] = missing_recordings(runs)
    [folder] = (tmp_path / "trajectories").iterdir()
    size = sum(part.stat().st_size for part in folder.glob("*.safetensors"))
    assert size == pytest.approx(missing[left], rel=0.05)


def test_time_is_told_from_the_most_alike_runs_that_are_done(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname = "s"\n[matrix]\nmodel = ["gaussian", "mixture"]\ngroup = ["affine", "escnn"]\nseed = [0, 1]\n'
    )
    runs = read_study(file).runs
    nothing = {run.run_id: Record() for run in runs}
    assert Times.of(runs, nothing).of_run(runs[0]) == (GUESSED_SECONDS, "a guess of 30 s a run")
    took = {("gaussian", "affine"): 3.0, ("gaussian", "escnn"): 50.0}
    records = {
        run.run_id: Record("done", seconds=took[key])
        if (key := (run.config.model, run.config.group)) in took
        else Record()
        for run in runs
    }
    told = {(run.config.model, run.config.group): Times.of(runs, records).of_run(run) for run in runs}
    assert told["gaussian", "escnn"] == (50.0, "finished runs of its model and group")
    assert told["mixture", "affine"] == (3.0, "finished runs of its group")


def test_runs_fill_the_slots_in_order():
    assert makespan([3.0, 1.0, 1.0, 1.0], 2) == 3
    assert makespan([1.0, 1.0, 1.0, 3.0], 2) == 4
    assert makespan([], 3) == 0


def test_a_run_tells_where_it_is(tmp_path):
    file = tmp_path / "run.progress"
    assert read_told(file) is None
    teller = ToFile(file)
    teller.phase("train")
    assert read_told(file) == Told("train")
    teller.update(1, 10)  # too soon to be written
    assert read_told(file) == Told("train")
    file.write_text(json.dumps({"phase": "train"}))
    assert read_told(file) is None
    ToFile(tmp_path / "nowhere" / "x").phase("train")  # a run goes on though nobody can be told
