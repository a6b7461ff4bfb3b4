"""Batches made by a thread while the last ones are being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor

from symdiff.trajectories.data import Sequences

AHEAD = 2
"""Batches that are made before they are asked for."""


@contextmanager
def prefetched(
    make: Callable[[int], Sequences], steps: range, device: torch.device, ahead: int = AHEAD
) -> Iterator[Iterator[Sequences]]:
    """Give the batches of `steps` one by one, on `device`, the next ones being made meanwhile.

    Parameters
    ----------
    make
        The batch of a step, on the CPU: a function of the step alone, so that it does not matter when it is made.
        Another thread calls it, for one step after the other; what it raises is raised where the batch is asked for.
    steps
        For which steps. Leaving the context earlier is no harm.
    device
        Where the batches are wanted. To CUDA they are copied from pinned memory, on a stream of their own.
    ahead
        How many are made before they are asked for; 0 makes each when it is asked for, without a thread.
    """
    copies = _Copies(device)
    if ahead == 0:
        yield (copies.arrived(copies.sent(make(step))) for step in steps)
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="symdiff-batches")

    def batches() -> Iterator[Sequences]:
        waiting: deque[Future[_Sent]] = deque()
        for i in range(len(steps)):
            for step in steps[i + len(waiting) : i + ahead + 1]:
                waiting.append(thread.submit(lambda step: copies.sent(make(step)), step))
            yield copies.arrived(waiting.popleft().result())

    try:
        yield batches()
    finally:
        thread.shutdown(cancel_futures=True)


_Sent = tuple[Sequences, torch.cuda.Event | None]


class _Copies:
    """Copies of batches to a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def sent(self, batch: Sequences) -> _Sent:
        """Begin to copy a batch; on CUDA, with what tells that it is there."""
        if self.stream is None:
            return batch.to(self.device), None
        with torch.cuda.stream(self.stream):
            # Actions that are one and the same, expanded, are not pinned as they are.
            tensors = {name: tensor.contiguous().pin_memory() for name, tensor in _tensors(batch).items()}
            moved = {name: tensor.to(self.device, non_blocking=True) for name, tensor in tensors.items()}
            there = torch.cuda.Event()
            there.record(self.stream)
        return replace(batch, **moved), there

    def arrived(self, sent: _Sent) -> Sequences:
        """The batch, to be used by what the caller computes from now on."""
        batch, there = sent
        if there is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(there)
            for tensor in _tensors(batch).values():
                tensor.record_stream(stream)  # its memory is not reused before this stream is done with it
        return batch


def _tensors(batch: Sequences) -> dict[str, Tensor]:
    return {item.name: getattr(batch, item.name) for item in fields(batch)}
