"""Where a run in another process is: it writes a small file, and who wants to know reads it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from symdiff.errors import DiskError
from symdiff.rundir import write_document

INTERVAL = 0.5
"""Seconds between two times it is written."""

PROGRESS = ".progress"
"""What its name ends in; the rest is that of the log."""


@dataclass(frozen=True)
class Told:
    """A phase of a run, and `done` of `total` steps of it; `total` is 0 where it has no steps."""

    phase: str
    done: int = 0
    total: int = 0


class ToFile:
    """A `Progress` that writes to a file; where it cannot, the run goes on and nobody knows where it is."""

    def __init__(self, file: Path) -> None:
        self._file, self._phase, self._rest_until = file, "", 0.0

    def phase(self, name: str) -> None:
        """Write that `name` begins."""
        self._phase = name
        self._write(0, 0)

    def update(self, done: int, total: int, **figures: float) -> None:
        """Write where the phase is, if the last time is long enough ago."""
        if time.monotonic() >= self._rest_until:
            self._write(done, total)

    def _write(self, done: int, total: int) -> None:
        with suppress(DiskError):
            write_document(self._file, {"phase": self._phase, "done": done, "total": total})
        self._rest_until = time.monotonic() + INTERVAL


def read_told(file: Path) -> Told | None:
    """Return what a run wrote last; ``None`` if it has not yet."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return Told(str(told["phase"]), int(told["done"]), int(told["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
