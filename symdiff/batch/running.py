"""Run what is to do of a study; failures are noted, and the study goes on."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from symdiff.batch.directory import StudyDirectory, counts
from symdiff.batch.engine import INTERRUPTED, Cause, Ended, Engine, Job
from symdiff.batch.interrupts import Interrupts, interrupts
from symdiff.batch.pages import Pages
from symdiff.batch.study import Run
from symdiff.progress import Progress

log = logging.getLogger(__name__)

LOOK = 0.2
"""Seconds between two looks at Ctrl-C."""


@dataclass(frozen=True)
class AtWork:
    """A run that is at work: in which slot, and since when by a clock that nobody sets."""

    slot: int
    since: float

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self.since


@dataclass
class Batch:
    """One command at work on a study, whose directory it holds.

    Attributes
    ----------
    directory
        Of the study.
    engine
        What runs the runs.
    fail_fast
        Begin nothing more once a run has failed.
    progress
        Told how many runs ended.
    at_work
        The runs at work, by their id.
    queued
        How many are still to begin.
    """

    directory: StudyDirectory
    engine: Engine
    progress: Progress
    fail_fast: bool = False

    def __post_init__(self) -> None:
        self.pages = Pages(self.directory)
        self.at_work: dict[str, AtWork] = {}
        self.queued = 0

    def run(self, chosen: Collection[str], *, retry_failed: bool = False) -> str:
        """Run the runs whose ids are `chosen` and that are to do; with `retry_failed` also those that failed.

        Returns
        -------
        str
            The state of the study: ``done``, ``failed`` if a chosen run has failed, ``stopped`` if one was stopped or
            not begun.
        """
        wanted = ("todo", "failed") if retry_failed else ("todo",)
        runs = [run for run in self.directory.study.runs if run.run_id in chosen]
        queue = deque(run for run in runs if self.directory.records[run.run_id].state in wanted)
        self.progress.phase(f"study {self.directory.study.name}")
        try:
            with interrupts() as asked:
                self._work(queue, asked)
        finally:
            for ended in self.engine.stop():  # nothing runs on after an error of ours
                self._settle(ended)
        states = {self.directory.records[run.run_id].state for run in runs}
        if "todo" in states and (asked.finish or "failed" not in states):
            state = "stopped"
        else:
            state = "failed" if "failed" in states else "done"
        self._note(state)
        return state

    def _work(self, queue: deque[Run], asked: Interrupts) -> None:
        running = self.at_work
        failed = told = noted = False
        while (queue and not (asked.finish or (failed and self.fail_fast))) or running:
            begin = not asked.finish and not (failed and self.fail_fast)
            while begin and queue and len(running) < self.engine.capacity:
                self._start(queue.popleft())
            self.queued = len(queue)
            if not noted:
                noted = True
                self._note("running")  # once the first runs are at work: the pages of a thousand take a while
            if asked.finish and not told:
                told = True
                log.warning("interrupted: finishing the %d runs at work; Ctrl-C again stops them", len(running))
            for ended in self.engine.stop() if asked.stop else self.engine.wait(LOOK):
                running.pop(ended.run_id, None)
                failed |= self._settle(ended)
            self._show()

    def _start(self, run: Run) -> None:
        record = self.directory.records[run.run_id]
        self.directory.settle(run.run_id, state="running", cause=None, attempts=record.attempts + 1)
        # Before it begins: if this process is killed the status says which runs may be half done.
        self.directory.write_status("running")
        self.engine.start(
            Job(
                run.run_id, run.config, self.directory.run_directory(run).absolute(), self.directory.log(run).absolute()
            )
        )
        taken = {other.slot for other in self.at_work.values()}
        slot = next(slot for slot in range(self.engine.capacity) if slot not in taken)
        self.at_work[run.run_id] = AtWork(slot, time.monotonic())

    def _settle(self, ended: Ended) -> bool:
        """Note how a run ended, and return whether it failed; its result decides whether it is done."""
        run = next(run for run in self.directory.study.runs if run.run_id == ended.run_id)
        cause = ended.cause
        if self.directory.is_finished(run):
            self.directory.settle(run.run_id, state="done", cause=None, seconds=ended.seconds)
        elif cause is not None and cause.code == INTERRUPTED:
            self.directory.settle(run.run_id, state="todo", seconds=ended.seconds)
        else:
            cause = cause or Cause("no-result", "ended well and left no result", "its log may say more")
            self.directory.settle(run.run_id, state="failed", cause=cause, seconds=ended.seconds)
            label, where = self.directory.study.label(run), self.directory.log(run)
            log.warning("%s failed: %s (log: %s)", label, cause.message, where)
        self._note("running")
        return self.directory.records[run.run_id].state == "failed"

    def _note(self, state: str) -> None:
        """Write the status, and the pages: now and then while runs go on, and in any case at the end."""
        self.directory.write_status(state)
        self.pages.write(at_last=state != "running")

    def _show(self) -> None:
        number = counts(self.directory.records)
        figures = {state: float(number[state]) for state in ("failed", "running")}
        self.progress.update(number["done"] + number["failed"], len(self.directory.records), **figures)
