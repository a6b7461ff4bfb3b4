"""Tests that fail rather than hang."""

from __future__ import annotations

import signal
from contextlib import contextmanager

BOUND = 240
"""Seconds a test, or the beginning of the cluster, may take on a busy machine before it fails; they take far less."""


@contextmanager
def bounded(what: str):
    """Fail rather than hang, whatever waits."""

    def fail(number, frame):
        raise TimeoutError(f"{what} takes more than {BOUND} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(BOUND)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
