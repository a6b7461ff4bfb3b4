"""Progress on stderr: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from symdiff.cli import progress as module
from symdiff.cli.progress import Lines, progress_on_stderr
from symdiff.cli.verbosity import set_level, start_logging


def test_lines_are_an_interval_apart(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.phase("train")
    for done in range(1, 31):
        now[0] = float(done)
        lines.update(done, 30, loss=1 / done)
    assert capsys.readouterr().err.splitlines() == [
        "train",
        "train 10/30 loss 0.1",
        "train 20/30 loss 0.05",
        "train 30/30 loss 0.0333",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars(symdiff, monkeypatch):
    terminal = Terminal()
    start_logging()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_on_stderr() as progress:
        progress.phase("record")
        progress.update(5, 5)
        progress.phase("train")
        progress.update(30, 60, loss=0.25)
    drawn = terminal.getvalue()
    assert "record" in drawn
    assert "30/60" in drawn
    assert "loss 0.25" in drawn


@pytest.mark.parametrize(("level", "told"), [(logging.ERROR, ""), (logging.WARNING, "train\n")])
def test_quiet_means_no_progress(symdiff, capsys, level, told):
    start_logging()
    set_level(level)
    with progress_on_stderr() as progress:
        progress.phase("train")
    assert capsys.readouterr().err == told
