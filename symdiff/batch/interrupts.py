"""Ctrl-C, counted: once to finish what runs, twice to stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """How often the user asked to stop; SIGTERM counts twice."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def finish(self) -> bool:
        """Begin nothing more."""
        return self.count > 0

    @property
    def stop(self) -> bool:
        """Stop what runs."""
        return self.count > 1

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Count a signal."""
        self.count += 2 if number == signal.SIGTERM else 1


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Count the signals that would end the process; only its main thread can receive them."""
    asked = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
