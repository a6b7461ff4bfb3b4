"""Work that does not wait for the rest: a second thread does it on half of the processors.

torch spreads one operation after the other over the processors, which gains little where operations are short. Two
threads with operations of their own share nothing but Python's lock, which operations do not hold.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch

from symdiff.progress import Progress, Silent

S = TypeVar("S")
T = TypeVar("T")


class Later(Generic[T]):
    """Work that somebody will ask for: done by a second thread until then, or when they do if it has not begun.

    Parameters
    ----------
    work
        Is given the `Progress` to tell of its steps. It may share tensors with the first thread that neither changes,
        and draws from generators of its own only.
    second
        Does it when what it was given before is done.
    """

    def __init__(self, work: Callable[[Progress], T], second: Executor | None = None) -> None:
        self._work = work
        self._told = _Told()
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._given_up = False
        self._under_way: Future[T] | None = None if second is None else second.submit(self._do)

    def result(self, progress: Progress) -> T:
        """What the work returns, `progress` being told of what is left of it; raises what the work did."""
        if self._under_way is None or self._under_way.cancel():
            return self._work(progress)
        self._told.to = progress
        return self._under_way.result()

    def _do(self) -> T:
        with self._lock:
            if self._given_up:
                raise _GivenUp
            self._thread = threading.get_ident()
        try:
            return self._work(self._told)
        finally:
            with self._lock:
                self._thread = None

    def give_up(self) -> None:
        """End the work at its next line of Python; nothing if it is done, or done by who asked for it."""
        with self._lock:
            self._given_up = True
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(_GivenUp))


class Beside:
    """A second thread that does one piece of work after the other.

    As long as there is one, each of the two threads computes on half of the processors: always on the same number, so
    that no sum is rounded another way because one of them was done earlier, or did work of the other.
    """

    def __init__(self) -> None:
        self._threads = torch.get_num_threads()
        self._given: list[Later[Any]] = []
        half = self._threads // 2
        self._second = ThreadPoolExecutor(1, "symdiff-beside", torch.set_num_threads, (half,))
        torch.set_num_threads(half)

    def begin(self, work: Callable[[Progress], T]) -> Later[T]:
        """Do the work when what was given before is done."""
        later = Later(work, self._second)
        self._given.append(later)
        return later

    def end(self) -> None:
        """End what is under way, and begin nothing more."""
        self._second.shutdown(wait=False, cancel_futures=True)
        for later in self._given:
            later.give_up()
        self._second.shutdown()
        torch.set_num_threads(self._threads)


@contextmanager
def beside() -> Iterator[Beside]:
    """A second thread; leaving the context ends it, whether its work is done or not."""
    second = Beside()
    try:
        yield second
    finally:
        second.end()


def room_for_two() -> bool:
    """Whether there are processors for two threads: not where the user, or a study of several jobs, allows for one."""
    return torch.get_num_threads() > 1


def together(work: Callable[[S], T], parts: Sequence[S]) -> list[T]:
    """`work` of every part, the parts at the same time, each on its share of the processors.

    Parameters
    ----------
    work
        Differentiates nothing: whether gradients are recorded is a matter of each thread, and none are in the others.
    parts
        No more than there are processors.
    """
    if len(parts) == 1:
        return [work(part) for part in parts]
    threads = torch.get_num_threads()
    share = max(1, threads // len(parts))

    @torch.no_grad()
    def in_another(part: S) -> T:
        torch.set_num_threads(share)
        return work(part)

    with ThreadPoolExecutor(len(parts) - 1, thread_name_prefix="symdiff-together") as others:
        found = [others.submit(in_another, part) for part in parts[1:]]
        torch.set_num_threads(share)
        try:
            return [work(parts[0]), *(future.result() for future in found)]
        finally:
            others.shutdown()
            torch.set_num_threads(threads)


class _GivenUp(BaseException):
    """Nobody waits for the result any more; not an `Exception`, which the work might handle."""


class _Told:
    """Passes on what the work tells as soon as somebody waits for it."""

    def __init__(self) -> None:
        self.to: Progress = Silent()

    def phase(self, name: str) -> None:
        self.to.phase(name)

    def update(self, done: int, total: int, **figures: float) -> None:
        self.to.update(done, total, **figures)
