"""What this machine can do at most, measured in the process whose figures it is to judge.

Arithmetic is that of a large matrix product, memory that of a large copy, files that of one written or read in a row.
Everything is measured once, at the first question, and printed with the machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.measure import device, seconds

PRODUCT = 1024
"""Size of the product: its operands fit no cache but the last, and it is 1000 times their numbers of arithmetic.

Eight times as large on a GPU, where the copy is 64 times as large.
"""

COPIED = 2**26
"""Bytes of the copy and of the file: more than a cache holds."""

LIMIT_REPEATS = 30
"""The fastest of few is too slow on a busy machine, and shares of it too large."""

_measured: dict[str, float] = {}


@cache
def arithmetic(dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of a matrix product."""
    size = PRODUCT if device() == "cpu" else 8 * PRODUCT
    A = torch.randn(size, size, dtype=dtype, device=device())
    out = torch.empty_like(A)
    return _kept(
        f"peak GFLOP/s, {str(dtype).removeprefix('torch.')}", 2 * size**3 / _cpu(lambda: torch.mm(A, A, out=out))
    )


@cache
def memory() -> float:
    """Bytes/s of a copy, read and written counted both."""
    copied = COPIED if device() == "cpu" else 64 * COPIED
    source = torch.ones(copied // 4, device=device())
    target = torch.empty_like(source)
    return _kept("memory GB/s", 2 * copied / _cpu(lambda: target.copy_(source)))


@cache
def writing() -> float:
    """Bytes/s of a file written in a row and brought to the disk, where temporary files are."""
    return _kept("written GB/s", _of_file(write=True))


@cache
def reading() -> float:
    """Bytes/s of a file read in a row that is in the page cache, by the time of the processor."""
    return _kept("read GB/s", _of_file(write=False))


@cache
def reading_disk() -> float:
    """Bytes/s of a file read in a row that was dropped from the page cache."""
    return _kept("read from disk GB/s", _of_file(write=False, drop=True))


def share(spent: float, flops: float = 0.0, moved: float = 0.0, dtype: torch.dtype = torch.float32) -> float:
    """Of `spent` seconds, the share that arithmetic or memory needs at least: the larger of the two, in percent.

    Parameters
    ----------
    flops
        Operations, those of a multiplication and an addition counted as two.
    moved
        Bytes that are read once and written once at least.
    """
    least = max(flops / arithmetic(dtype) if flops else 0.0, moved / memory() if moved else 0.0)
    return 100 * least / spent


def counted(call: Callable[[], Any]) -> float:
    """FLOP of the products and convolutions of a call, counted by torch and not timed."""
    with Operations() as operations:
        call()
    return operations.count


class Operations(TorchDispatchMode):
    """Counts the FLOP of products and convolutions of this thread by torch's own formulas, within its context.

    Those of `torch.utils.flop_counter.FlopCounterMode`, which attributes them to modules on top of that, by hooks that
    not every derivative bears.

    Attributes
    ----------
    count
        FLOP so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation that has a formula, or those it is made of."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:  # in inference mode operations arrive before they are taken apart
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        result = func(*args, **kwargs)
        self.count += formula(*args, **kwargs, out_val=result)
        return result


def measured() -> dict[str, float]:
    """The limits asked for so far, in units of 10^9 a second."""
    return dict(_measured)


def _kept(name: str, rate: float) -> float:
    _measured[name] = round(rate / 1e9, 2)
    return rate


def _cpu(call: Callable[[], object]) -> float:
    """Seconds of a call: of the processor on the CPU with one thread, which others on the machine do not lengthen."""
    if device() != "cpu" or torch.get_num_threads() > 1:
        return seconds(call)
    call()
    spent = []
    for _ in range(LIMIT_REPEATS):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return min(spent)


def _of_file(write: bool, drop: bool = False) -> float:
    content = os.urandom(2**20) * (COPIED // 2**20)
    buffer = bytearray(COPIED)  # making it is no part of reading
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        for _ in range(4):
            start = time.perf_counter()
            with file.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
                written = time.perf_counter() - start
                if drop:
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with file.open("rb", buffering=0) as stream:
                # From the page cache nothing is waited for: others on the machine lengthen the wall clock alone.
                clock = time.perf_counter if drop else time.process_time
                start = clock()
                stream.readinto(buffer)
                rates.append(COPIED / (written if write else clock() - start))
    return max(rates)
