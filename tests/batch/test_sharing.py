"""Runs of different groups record the same trajectories once, though the one that records is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
import torch
import symdiff.run
from symdiff.config import RunConfig
from symdiff.diffusion import Denoiser, Schedule
from symdiff.learned import LearnedRun
from symdiff.progress import Silent
from symdiff.rundir import RunDirectory

folder = Path(sys.argv[1])

class Slow(Denoiser):
    def denoise(self, x, t):
        with calls.open("a") as stream:
            stream.write(f"{os.getpid()}\\n")
        time.sleep(0.05)
        return x / 2

symdiff.run.find_denoiser = lambda *asked: Slow("slow", (1, 2, 2), Schedule.linear(), "slow")

def recorder(group):
    pid = os.fork()
    if not pid:
        config = RunConfig(model="gaussian", group=group, steps=6, trajectories=10)
        run = LearnedRun(config, RunDirectory(config, folder / group), torch.device("cpu"), Silent())
        run.record()
        os._exit(0 if len(run.recording) == 10 else 1)
    return pid

for case in ("whole", "killed"):
    os.environ["SYMDIFF_CACHE"] = str(folder / case)
    calls = folder / f"{case}.calls"
    first = recorder("affine")
    while not calls.exists() or len(calls.read_text().split()) < 2:
        time.sleep(0.005)
    second, third = recorder("escnn"), recorder("geomstats")
    if case == "killed":
        time.sleep(0.1)
        os.kill(first, signal.SIGKILL)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in (first, second, third)]
    assert ends == [-9 if case == "killed" else 0, 0, 0], ends
    (folder / f"{case}.first").write_text(str(first))
"""


def test_runs_of_three_groups_record_once_and_once_more_if_the_recorder_is_killed(tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, timeout=120, env=dict(os.environ))
    by = {name: (tmp_path / f"{name}.calls").read_text().split() for name in ("whole", "killed")}
    first = {name: (tmp_path / f"{name}.first").read_text() for name in by}
    assert by["whole"] == [first["whole"]] * 6
    others = [pid for pid in by["killed"] if pid != first["killed"]]
    assert 2 <= len(by["killed"]) - len(others) < 6
    assert others == [others[0]] * 6  # one of the two that waited did it, the other one found it there
    for name in by:
        assert [path.name for path in Path(tmp_path / name / "trajectories").glob(".*")] == []
