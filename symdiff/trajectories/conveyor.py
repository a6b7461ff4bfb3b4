"""States on their way from the sampler to where they are kept, so that sampling waits for neither copies nor disk.

States are collected in a block of consecutive times of one batch. While a thread writes one block, the other is filled.
On CUDA a full block goes to pinned memory on a stream of its own, while the next steps are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import NonFiniteError

BLOCK_BYTES = 32 * 2**20
"""Size of a block, where one time of a batch is not larger; there are two."""


Write = Callable[[int, int, Tensor, Tensor], None]
"""Keeps a block, ``write(first, time, states, denoised)``: times ``time, time + 1, ...`` of trajectories ``first,
first + 1, ...``, on the CPU, its own until it returns. The last time of a trajectory has a state and no estimate."""


class Block:
    """Consecutive states of a batch and the estimates made at them, on the device and on the CPU.

    Parameters
    ----------
    batch, states, denoised
        Trajectories, and states and estimates of each, that it has room for.
    shape
        ``(C, H, W)``.
    dtype, device
        How they are kept, and where they are computed.
    """

    def __init__(
        self,
        batch: int,
        states: int,
        denoised: int,
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.states = torch.empty(batch, states, *shape, dtype=dtype, device=device)
        self.denoised = torch.empty(batch, denoised, *shape, dtype=dtype, device=device)
        self.kept = self.states, self.denoised
        """The same on the CPU; complete once what `send` returns has returned."""
        if device.type != "cpu":
            self.kept = self._on_cpu(self.states), self._on_cpu(self.denoised)
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)

    @staticmethod
    def _on_cpu(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)

    def send(self) -> Callable[[], object]:
        """Start the copy to the CPU of all that was computed so far; the answer waits for it to end."""
        if not self.states.is_cuda:
            if self.states.device.type != "cpu":
                for here, there in zip((self.states, self.denoised), self.kept, strict=True):
                    there.copy_(here)
            return lambda: None
        computed, copied = torch.cuda.Event(), torch.cuda.Event()
        computed.record(torch.cuda.current_stream(self.states.device))
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(computed)
            for here, there in zip((self.states, self.denoised), self.kept, strict=True):
                there.copy_(here, non_blocking=True)
            copied.record(self._stream)
        return copied.synchronize


class Conveyor:
    """Takes the states of one batch after another, in the order of sampling, and hands them to `write` in blocks.

    What `write` raises is raised by the next call that needs it to be done. A context manager: leaving it waits for
    the thread.

    Parameters
    ----------
    write
        Keeps a block.
    times
        States of one trajectory that are kept.
    shape
        ``(C, H, W)``.
    dtype
        In which they are kept.
    device
        Where they are computed.
    """

    def __init__(
        self, write: Write, times: int, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device
    ) -> None:
        self._write, self._times, self._shape, self._dtype, self._device = write, times, shape, dtype, device
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="symdiff-recording")
        self._blocks: list[tuple[Block, Future[None] | None]] = []
        self._first = self._batch = self._time = self._filled = 0

    def __enter__(self) -> Conveyor:
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.shutdown()

    def begin(self, first: int, batch: int) -> None:
        """The states to come are those of trajectories ``first ... first + batch - 1``.

        A batch that was begun and not ended is dropped.
        """
        self._first, self._batch, self._time, self._filled = first, batch, 0, 0
        if not self._blocks or len(self._blocks[0][0].states) < batch:
            self.release()
            each = 2 * batch * math.prod(self._shape) * self._dtype.itemsize
            states = max(1, min(self._times, BLOCK_BYTES // each))
            denoised = max(1, min(self._times - 1, states))
            for _ in range(2):
                block = Block(batch, states, denoised, self._shape, self._dtype, self._device)
                self._blocks.append((block, None))

    def state(self, x: Float[Tensor, "batch c h w"]) -> None:
        """The next state that is kept."""
        if self._filled == self._blocks[0][0].states.shape[1]:
            self._flush()
        self._blocks[0][0].states[: self._batch, self._filled] = x
        self._filled += 1

    def denoised(self, x0hat: Float[Tensor, "batch c h w"]) -> None:
        """The estimate made at the state given last."""
        self._blocks[0][0].denoised[: self._batch, self._filled - 1] = x0hat

    def end(self) -> None:
        """All states of the batch were given."""
        self._flush()

    def settle(self) -> None:
        """Wait until all that was handed on is written."""
        for _, written in self._blocks:
            if written is not None:
                written.result()

    def release(self) -> None:
        """Wait until all that was handed on is written, and give the memory back."""
        self.settle()
        self._blocks.clear()

    def _flush(self) -> None:
        block, _ = self._blocks.pop(0)
        copied = block.send()
        first, time, last = self._first, self._time, self._time + self._filled == self._times
        states, denoised = block.kept
        states = states[: self._batch, : self._filled]
        denoised = denoised[: self._batch, : self._filled - last]

        def write() -> None:
            copied()
            if self._dtype is torch.float16:
                refuse_overflow(states, denoised)
            self._write(first, time, states, denoised)

        self._blocks.append((block, self._thread.submit(write)))
        self._time, self._filled = self._time + self._filled, 0
        written = self._blocks[0][1]
        if written is not None:
            written.result()


def refuse_overflow(*tensors: Float[Tensor, "..."]) -> None:
    """Raise `NonFiniteError` if numbers became infinite on their way to half precision."""
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise NonFiniteError(
            "a state or an estimate is beyond 65504, the largest number of fp16",
            "record in bf16 or fp32: --dtype bf16",
        )
