"""One shard of a store: a safetensors file that appears complete, and is written piece by piece before.

The format (https://github.com/huggingface/safetensors) is eight bytes with the length of a JSON header, the header,
and the numbers of one tensor after the other: the place of every number is known before the first one is there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from numpy.typing import NDArray
from torch import Tensor

from symdiff.trajectories.appearing import disk_errors

SHARD_BYTES = 256 * 2**20
"""Upper size of a shard; a trajectory larger than that is a shard of its own."""

ALIGNMENT = 64
"""The numbers of a file begin at a multiple of so many bytes."""

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
"""Number formats as safetensors calls them."""


def shard_ranges(
    states_shape: tuple[int, ...], itemsize: int = 4, batch: int = 1, shard_bytes: int = SHARD_BYTES
) -> list[range]:
    """The trajectories of each shard.

    Parameters
    ----------
    states_shape
        ``[traj, time, C, H, W]``.
    itemsize
        Bytes of a number.
    batch
        Trajectories sampled at once. A shard holds whole batches, or is a part of one: what is sampled together, on
        which rounding depends, is then the same wherever recording begins.
    shard_bytes
        Upper size of a shard.
    """
    trajectories, time, c, h, w = states_shape
    size = max(1, shard_bytes // (itemsize * (2 * time - 1) * c * h * w))
    if size > batch:
        return ranges_of(range(trajectories), size - size % batch)
    return [shard for together in ranges_of(range(trajectories), batch) for shard in ranges_of(together, size)]


def ranges_of(rows: range, size: int) -> list[range]:
    """Consecutive parts of `size` rows, the last of what is left."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


class ShardFile:
    """A shard in the making, under a temporary name beside its own.

    Parameters
    ----------
    file
        The shard.
    rows
        Its trajectories.
    time
        States of a trajectory.
    shape
        ``(C, H, W)``.
    dtype
        In which numbers are stored.

    Raises
    ------
    DiskError
        There is no room for it: all of its size is taken at once, before anything is computed for it.
    """

    def __init__(self, file: Path, rows: range, time: int, shape: tuple[int, int, int], dtype: torch.dtype) -> None:
        self.file, self.rows, self.time = file, rows, time
        self._row_bytes = dtype.itemsize * math.prod(shape)
        sizes = {"states": time, "denoised": time - 1}
        header: dict[str, Any] = {}
        self._offsets, end = {}, 0
        for name, count in sizes.items():
            start, end = end, end + len(rows) * count * self._row_bytes
            header[name] = {
                "dtype": NAMES[dtype],
                "shape": [len(rows), count, *shape],
                "data_offsets": [start, end],
            }
            self._offsets[name] = start
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-(8 + len(text)) % ALIGNMENT)
        self._data = 8 + len(text)
        self._missing = len(rows)
        self.temporary = file.with_name(f".{file.name}.tmp")
        with disk_errors(file):
            self._descriptor = os.open(self.temporary, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o666)
            try:
                _reserve(self._descriptor, self._data + end)
                _write(self._descriptor, memoryview(len(text).to_bytes(8, "little") + text), 0)
            except BaseException:
                self.abandon()
                raise

    @property
    def is_complete(self) -> bool:
        """Whether the last state of every trajectory was written."""
        return self._missing == 0

    def write(
        self, first: int, time: int, states: Shaped[Tensor, "n t c h w"], denoised: Shaped[Tensor, "n u c h w"]
    ) -> None:
        """Write times ``time, time + 1, ...`` of trajectories ``first, first + 1, ...``, as far as they belong here."""
        start, end = max(first, self.rows.start), min(first + len(states), self.rows.stop)
        if start >= end:
            return
        taken = slice(start - first, end - first)
        with disk_errors(self.file):
            self._write("states", self.time, start - self.rows.start, time, states[taken])
            self._write("denoised", self.time - 1, start - self.rows.start, time, denoised[taken])
        if time + states.shape[1] == self.time:
            self._missing -= end - start

    def finish(self) -> dict[str, Any]:
        """Bring the shard to the disk and to its name, and describe it.

        Returns
        -------
        dict
            Its ``name``, ``bytes`` and ``sha256``, the ``first`` of its ``trajectories`` and their number.
        """
        with disk_errors(self.file):
            os.fsync(self._descriptor)
            size = os.fstat(self._descriptor).st_size
            with open(self._descriptor, "rb", closefd=False) as stream:
                stream.seek(0)
                checksum = hashlib.file_digest(stream, "sha256").hexdigest()
            os.rename(self.temporary, self.file)
            os.close(self._descriptor)
        return {
            "name": self.file.name,
            "bytes": size,
            "sha256": checksum,
            "first": self.rows.start,
            "trajectories": len(self.rows),
        }

    def abandon(self) -> None:
        """Leave nothing of it."""
        os.close(self._descriptor)
        self.temporary.unlink(missing_ok=True)

    def _write(self, name: str, count: int, row: int, time: int, tensor: Tensor) -> None:
        place = self._data + self._offsets[name]
        numbers: NDArray[np.uint8] = tensor.view(torch.uint8).numpy()
        if tensor.shape[1] == count and tensor.is_contiguous():
            _write(self._descriptor, numbers.reshape(-1).data, place + row * count * self._row_bytes)
            return
        for i in range(len(tensor)):
            offset = ((row + i) * count + time) * self._row_bytes
            _write(self._descriptor, numbers[i].reshape(-1).data, place + offset)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.ftruncate(descriptor, size)  # where the system, or the file system, cannot take room in advance


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count
