"""The runs of a study that are at work, as a table that is drawn again and again, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from symdiff.cli.progress import progress_on_stderr
from symdiff.cli.verbosity import is_quiet
from symdiff.progress import Progress

if TYPE_CHECKING:
    from symdiff.batch.running import Batch

INTERVAL = 0.5
"""Seconds between two drawings."""


@contextmanager
def study_on_stderr() -> Iterator[Progress]:
    """Give what shows a study: a table of the runs at work on a terminal; else a line an interval, or nothing."""
    if is_quiet() or not sys.stderr.isatty():
        with progress_on_stderr() as progress:
            yield progress
        return
    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, redirect_stdout=False, transient=True) as live:
        yield LiveTable(live)


class LiveTable:
    """Draws the table when it is told of progress, which a study does several times a second."""

    def __init__(self, live: Live) -> None:
        self._live, self._name, self._rest_until = live, "", 0.0
        self._batch: Batch | None = None

    def follow(self, batch: Batch) -> None:
        """Look at `batch`."""
        self._batch = batch

    def phase(self, name: str) -> None:
        """Take note of the name of the study."""
        self._name = name

    def update(self, done: int, total: int, **figures: float) -> None:
        """Draw it again, if the last time is long enough ago."""
        if self._batch is not None and time.monotonic() >= self._rest_until:
            self._rest_until = time.monotonic() + INTERVAL
            self._live.update(drawn(self._name, self._batch), refresh=True)


def drawn(name: str, batch: Batch) -> Group:
    """Return the table of the runs at work, and the line with what became of the others.

    Parameters
    ----------
    name
        Of the study.
    batch
        Its command at work.
    """
    from symdiff.batch.directory import counts
    from symdiff.batch.telling import PROGRESS, read_told

    table = Table(box=None, pad_edge=False)
    for column in ("slot", "run", "phase", "progress", "elapsed"):
        table.add_column(column, justify="right" if column in ("slot", "elapsed") else "left", no_wrap=True)
    runs = {run.run_id: run for run in batch.directory.study.runs if run.run_id in batch.at_work}
    for run_id, at_work in sorted(batch.at_work.items(), key=lambda item: item[1].slot):
        run = runs[run_id]
        told = read_told(batch.directory.log(run).with_suffix(PROGRESS))
        phase = told.phase if told else "starts"
        steps = f"{told.done}/{told.total}" if told and told.total else ""
        label = Text(batch.directory.study.label(run))
        table.add_row(str(at_work.slot), label, phase, steps, spell_time(at_work.seconds))
    number = counts(batch.directory.records)
    said = ", ".join(f"{count} {state}" for state, count in number.items() if count)
    left = remaining(batch)
    said += "" if left is None else f"; about {spell_time(left)} left"
    return Group(table, Text(f"{name}: {said}"))


def remaining(batch: Batch) -> float | None:
    """Return the seconds until the last run ends, by the median of those that are done; ``None`` if none is."""
    from symdiff.batch.estimate import makespan

    records = batch.directory.records.values()
    took = [record.seconds for record in records if record.state == "done" and record.seconds is not None]
    if not took:
        return None
    each = median(took)
    begun = sorted(max(0.0, each - at_work.seconds) for at_work in batch.at_work.values())
    return makespan([*begun, *[each] * batch.queued], batch.engine.capacity)


def spell_time(seconds: float) -> str:
    """Return ``42 s``, ``3:05 min`` or ``2:03 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
