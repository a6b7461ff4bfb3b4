"""Work that does not wait for the rest: a second thread does it on half of the processors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

from symdiff.progress import Progress, Silent

T = TypeVar("T")


class Beside(Generic[T]):
    """Work under way in a second thread.

    As long as it is, each of the two threads computes on half of the processors: always on the same number, so that
    no sum is rounded another way because one of them was done earlier.

    Parameters
    ----------
    work
        Is given the `Progress` to tell of its steps. It may share tensors with the first thread that neither changes,
        and draws from generators of its own only.
    """

    def __init__(self, work: Callable[[Progress], T]) -> None:
        self._told = _Told()
        self._found: list[T] = []
        self._failure: BaseException | None = None
        self._threads = torch.get_num_threads()
        torch.set_num_threads(self._threads // 2)
        self._thread = threading.Thread(target=self._do, args=(work,), name="symdiff-beside", daemon=True)
        self._thread.start()

    def _do(self, work: Callable[[Progress], T]) -> None:
        torch.set_num_threads(self._threads // 2)
        try:
            self._found.append(work(self._told))
        except BaseException as error:  # raised where the result is asked for
            self._failure = error

    def result(self, progress: Progress) -> T:
        """Wait for what the work returns, and tell `progress` of what is left of it; raises what the work did."""
        self._told.to = progress
        self._end()
        if self._failure is not None:
            raise self._failure
        return self._found[0]

    def give_up(self) -> None:
        """End the work at its next step; nothing if it is done."""
        self._told.ended = True
        self._end()

    def _end(self) -> None:
        self._thread.join()
        torch.set_num_threads(self._threads)


@contextmanager
def beside(work: Callable[[Progress], T]) -> Iterator[Beside[T]]:
    """Begin `work` in a second thread; leaving the context ends it, whether it was done or not."""
    under_way = Beside(work)
    try:
        yield under_way
    finally:
        under_way.give_up()


def room_for_two() -> bool:
    """Whether there are processors for two threads: not where the user, or a study of several jobs, allows for one."""
    return torch.get_num_threads() > 1


class _GivenUp(Exception):
    """Nobody waits for the result any more."""


class _Told:
    """Passes on what the work tells as soon as somebody waits for it, and ends it where nobody does."""

    def __init__(self) -> None:
        self.to: Progress = Silent()
        self.ended = False

    def phase(self, name: str) -> None:
        self.to.phase(name)

    def update(self, done: int, total: int, **figures: float) -> None:
        if self.ended:
            raise _GivenUp
        self.to.update(done, total, **figures)
