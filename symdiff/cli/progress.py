"""Progress on stderr: a bar on a terminal, one line an interval elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from symdiff.cli.verbosity import is_quiet
from symdiff.progress import Progress, Silent

INTERVAL = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Give a `Progress` that suits stderr, and none with ``--quiet``."""
    if is_quiet():
        yield Silent()
    elif sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
        )
        with RichProgress(*columns, console=Console(stderr=True), redirect_stdout=False) as bars:
            yield Bars(bars)
    else:
        yield Lines()


class Bars:
    """One bar a phase."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def phase(self, name: str) -> None:
        """Complete the bar of the last phase and begin one for `name`."""
        self._end()
        self._task = self._bars.add_task(name, total=None, figures="")

    def update(self, done: int, total: int, **figures: float) -> None:
        """Advance the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total, figures=spell(figures))

    def _end(self) -> None:
        if self._task is not None:
            self._bars.stop_task(self._task)


class Lines:
    """A line when a phase begins, and then one every `INTERVAL` seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._last = 0.0

    def phase(self, name: str) -> None:
        """Say that `name` begins."""
        self._phase, self._last = name, time.monotonic()
        print(name, file=sys.stderr, flush=True)

    def update(self, done: int, total: int, **figures: float) -> None:
        """Say where it is, if the last line is long enough ago."""
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            print(f"{self._phase} {done}/{total} {spell(figures)}".rstrip(), file=sys.stderr, flush=True)


def spell(figures: dict[str, float]) -> str:
    """Return ``loss 0.0123, lr 0.001``."""
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
