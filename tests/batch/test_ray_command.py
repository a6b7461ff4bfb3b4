"""The command with the engine `ray`, on a cluster that it begins itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.bounds import BOUND, bounded
from tests.batch.conftest import FAKE, TEXT, is_alive, until

pytest.importorskip("ray")

COMMAND = (
    "import functools, signal, sys; import symdiff.batch.ray_engine as engine; from symdiff.cli import main;"
    "signal.signal(signal.SIGINT, signal.default_int_handler);"
    f"engine.Ray = functools.partial(engine.Ray, worker={FAKE!r});"
    "main(['batch', 'run', *sys.argv[1:], '--engine', 'ray'])"
)


@pytest.fixture(autouse=True)
def _every_test_ends(request):
    with bounded(request.node.name):
        yield


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
