"""Whatever happens to a run or to the study, it costs what was at work and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from symdiff.errors import OutputError
from tests.batch.conftest import FAKE, TEXT, is_alive, states, until

PARENT = (
    "import functools, signal, sys; import symdiff.batch.local as local; from symdiff.cli import main;"
    "signal.signal(signal.SIGINT, signal.default_int_handler);"
    f"local.Local = functools.partial(local.Local, worker={FAKE!r});"
    "main(['batch', 'run', *sys.argv[1:]])"
)


def parent(file: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PARENT, str(file), *flags]
    return subprocess.Popen(command, cwd=file.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pid_of(folder: Path, name: str = "pid") -> int:
    """The process of a run that hangs, once it does."""
    found = until(lambda: [p for p in folder.glob(f"tiny/runs/*/{name}") if p.read_text()], "a run hangs")
    return int(found[0].read_text())


def test_all_runs_are_done_and_the_same_command_answers_from_them(go):
    assert go(jobs=2).state == "done"
    again = go()
    assert again.state == "done"
    assert [record.cached for record in again.records.values()] == [True] * 3
    assert [record.attempts for record in again.records.values()] == [1] * 3


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        ("segfault", "killed", "SIGSEGV"),
        ("crash", "crashed", "exit code 3"),
        ("nothing", "no-result", "left no result"),
        ("refuse", "non-finite", "the <loss> is NaN"),
    ],
)
def test_a_run_that_fails_costs_one_run_and_says_why(go, behaviour, wish, code, said):
    behaviour(s1=wish)
    directory = go()
    assert directory.state == "failed"
    assert states(directory) == ["done", "failed", "done"]
    cause = directory.records[directory.study.runs[1].run_id].cause
    assert cause is not None
    assert (cause.code, said in cause.message) == (code, True)
    written = json.loads((directory / "status.json").read_text())
    assert written["state"] == "failed"
    assert written["counts"] == {"done": 2, "failed": 1, "running": 0, "todo": 0}
    assert "seed 1" in (directory / written["runs"][1]["log"]).read_text()


def test_a_failed_run_is_tried_again_only_when_asked(go, behaviour):
    behaviour(s1="crash")
    assert states(go()) == ["done", "failed", "done"]
    behaviour()
    assert (go().state, states(go())) == ("failed", ["done", "failed", "done"])
    again = go(retry_failed=True)
    assert (again.state, states(again)) == ("done", ["done"] * 3)
    assert [record.attempts for record in again.records.values()] == [1, 2, 1]


def test_a_killed_worker_is_a_failed_run(go, behaviour, tmp_path):
    behaviour(s1="hang")
    killer = threading.Thread(target=lambda: os.kill(pid_of(tmp_path), signal.SIGKILL))
    killer.start()
    directory = go(jobs=2)
    killer.join()
    assert states(directory) == ["done", "failed", "done"]
    assert "SIGKILL" in str(directory.records[directory.study.runs[1].run_id].cause)
    assert not is_alive(pid_of(tmp_path, "child"))
    behaviour()
    assert go(retry_failed=True).state == "done"


def test_a_run_that_never_ends_is_ended_with_all_its_processes(go, behaviour, tmp_path):
    behaviour(s0="hang")
    directory = go(timeout=4.0, jobs=2)
    assert states(directory) == ["failed", "done", "done"]
    cause = directory.records[directory.study.runs[0].run_id].cause
    assert cause is not None
    assert cause.code == "timeout"
    assert not is_alive(pid_of(tmp_path))
    assert not is_alive(pid_of(tmp_path, "child"))


def test_fail_fast_begins_nothing_more(go, behaviour):
    behaviour(s0="crash")
    directory = go(fail_fast=True)
    assert (directory.state, states(directory)) == ("failed", ["failed", "todo", "todo"])


def test_an_error_of_the_parent_leaves_nothing_running(go, behaviour, tmp_path, monkeypatch):
    behaviour(s1="hang")
    pids: list[int] = []
    monkeypatch.setattr("symdiff.batch.running.Batch._note", fail_after_start(pids, tmp_path))
    with pytest.raises(OSError, match="a defect"):
        go(jobs=2)
    assert not is_alive(pids[0])


def fail_after_start(pids, folder):
    def note(batch, state):
        if batch.directory.records and any(record.state == "done" for record in batch.directory.records.values()):
            pids.append(pid_of(folder))
            raise OSError("a defect")

    return note


def test_a_killed_parent_takes_its_workers_along_and_the_same_command_resumes(go, behaviour, file, tmp_path):
    behaviour(s1="hang")
    process = parent(file)
    worker = pid_of(tmp_path)
    process.kill()
    process.communicate()
    until(lambda: not is_alive(worker), "the worker ends")
    status = json.loads((tmp_path / "tiny" / "status.json").read_text())
    assert [run["state"] for run in status["runs"]] == ["done", "running", "todo"]
    behaviour()
    directory = go()
    assert (directory.state, states(directory)) == ("done", ["done"] * 3)
    assert [record.attempts for record in directory.records.values()] == [1, 2, 1]


def test_ctrl_c_finishes_what_runs_and_a_second_one_stops_it(behaviour, file, tmp_path, go):
    behaviour(s0="hang")
    process = parent(file, "--json")
    pid_of(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    until(lambda: "Ctrl-C again" in process.stderr.readline(), "it says that it finishes")
    with pytest.raises(OutputError, match=f"process {process.pid} is running the study"):
        go()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    document = json.loads(out)
    assert process.returncode == 130
    assert (document["state"], [run["state"] for run in document["runs"]]) == ("stopped", ["todo"] * 3)
    assert "Traceback" not in err
    behaviour()
    assert go().state == "done"


def test_an_edited_study_is_refused_with_the_difference_unless_adopted(go, file):
    go()
    file.write_text(TEXT + "steps = [60]\n")
    with pytest.raises(OutputError, match=r"3 runs there only; 3 runs here only; steps 50 there, 60 here"):
        go()
    assert go(adopt=True).state == "done"
    file.write_text(TEXT.replace("[0, 1, 2]", "[0, 1]") + "steps = [60]\n")
    with pytest.raises(OutputError, match=r"1 run there only; seed 0, 1, 2 there, 0, 1 here"):
        go()
    assert [record.cached for record in go(adopt=True).records.values()] == [True, True]


def test_a_comment_and_the_device_are_no_edit(go, file):
    go()
    file.write_text("# why\n" + TEXT + '[defaults]\ndevice = "cpu"\n')
    assert [record.cached for record in go().records.values()] == [True] * 3


def test_a_directory_of_something_else_is_refused(go, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match=r"holds no study: thesis\.tex"):
        go()
