"""The table of the runs at work."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console
from rich.live import Live

from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Resources
from symdiff.batch.local import Local
from symdiff.batch.running import AtWork, Batch
from symdiff.batch.study import read_study
from symdiff.batch.telling import PROGRESS, ToFile
from symdiff.cli.live import LiveTable, remaining, spell_time
from symdiff.progress import Silent


@pytest.fixture
def batch(tmp_path):
    """Four runs: one done, one at work that says where it is, one that does not yet, one to begin."""
    file = tmp_path / "s.toml"
    file.write_text('[study]\nname = "s"\n[matrix]\nmodel = ["gaussian"]\nseed = [0, 1, 2, 3]\n')
    directory = StudyDirectory(read_study(file), tmp_path / "s")
    found = Batch(directory, Local(Resources(jobs=2), template=None), Silent())
    done, told, mute, _ = directory.study.runs
    directory.settle(done.run_id, state="done", seconds=100.0)
    for run in (told, mute):
        directory.settle(run.run_id, state="running")
    (tmp_path / "s" / "logs").mkdir(parents=True)
    teller = ToFile(directory.log(told).with_suffix(PROGRESS))
    teller.phase("train")
    teller._rest_until = 0.0
    teller.update(40, 500)
    found.at_work |= {
        told.run_id: AtWork(1, time.monotonic() - 70),
        mute.run_id: AtWork(0, time.monotonic() - 5),
    }
    found.queued = 1
    return found


def test_the_table_shows_what_is_at_work_where_and_for_how_long(batch):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        table = LiveTable(live)
        table.update(1, 4)  # of no study yet
        table.phase("study s")
        table.follow(batch)
        table.update(1, 4)
        shown = stream.getvalue().splitlines()
    rows = [line.split() for line in shown if "gaussian" in line]
    assert rows == [
        ["0", "gaussian", "affine", "seed=2", "starts", "5", "s"],
        ["1", "gaussian", "affine", "seed=1", "train", "40/500", "1:10", "min"],
    ]
    assert "study s: 1 done, 2 running, 1 todo; about 2:1" in stream.getvalue()


def test_what_is_left_follows_from_the_runs_that_are_done(batch):
    # Of 100 s, one run has 30 s to go and one 95 s; the last begins after 30 s and ends after 130 s.
    assert remaining(batch) == pytest.approx(130, abs=5)
    batch.directory.settle(batch.directory.study.runs[0].run_id, state="failed")
    assert remaining(batch) is None


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (3599.0, "59:59 min"), (7380.0, "2:03 h")]
)
def test_times_are_spelled_in_the_unit_one_would_say(seconds, shown):
    assert spell_time(seconds) == shown
