"""Random windows of consecutive states: from a store of ours, and from other formats that hold the same numbers."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.limits import reading, reading_disk
from benchmarks.measure import Table
from benchmarks.recording import Half
from symdiff.diffusion import DDPM
from symdiff.errors import MissingExtraError
from symdiff.trajectories import open_store, read_store, record_store
from symdiff.trajectories.stored import windows

CASES = {"1x8x8": ((1, 8, 8), 50, 20_000), "3x32x32": ((3, 32, 32), 50, 1_600)}
"""Shape, steps and trajectories: 261 MB and 1 GB of states."""

WINDOWS, LENGTH = 128, 5
"""A training batch as it comes: windows of 4 steps."""

REPEATS = 7
BATCHES = {"warm": 25, "cold": 5}

Reader = Callable[[NDArray[np.int64], NDArray[np.int64]], object]
"""Reads windows, given their trajectories and their first states."""


def run() -> Table:
    """Throughput of every format with its files in the page cache, and with its files dropped from it before."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (shape, steps, trajectories) in CASES.items():
            root = Path(folder) / name
            record_store(root / "store", Half(shape), DDPM(), steps, trajectories, device="cpu")
            _write_others(root, read_store(root / "store").states.numpy())
            for cache in BATCHES:
                rows += _compare(name, cache, root, shape, steps, trajectories)
    ours = [row for row in rows if row["format"] == "symdiff"]
    return Table(
        title=f"Batches of {WINDOWS} random windows of {LENGTH} states, float32; the same windows for every format",
        rows=rows,
        conclusions={f"{row['images']}, {row['cache']}: symdiff over npy memmap": row["over npy"] for row in ours},
        notes=(
            "of file: of the speed of a file that is read in a row, from the page cache or, cold, from the disk.",
            "Medians over repeats in which the formats take turns; the spread is that of the ratios.",
            "warm: the files are in the page cache. cold: they were dropped from it before each repeat "
            "(posix_fadvise), and opened again; what the disk itself caches is beyond us.",
            "npy: one fancy index on numpy.load(mmap_mode='r'). HDF5: contiguous, a slice a window. zarr: a chunk a "
            "trajectory, 200 in a file, uncompressed, a slice a window. symdiff: shards of 256 MB, which also hold the "
            "estimates.",
            "An order of seeks that suits the files would be faster in all formats, and would not be random.",
        ),
    )


def _write_others(root: Path, states: NDArray[np.float32]) -> None:
    try:
        import h5py
        import zarr
    except ImportError as error:
        raise MissingExtraError(
            f"this benchmark needs {error.name}", "pip install -c constraints.txt '.[bench]'"
        ) from error
    np.save(root / "states.npy", states)
    with h5py.File(root / "states.h5", "w") as file:
        file.create_dataset("states", data=states)
    chunk, shard = (1, *states.shape[1:]), (200, *states.shape[1:])  # every trajectory by itself, 200 in a file
    zarr.create_array(root / "states.zarr", data=states, chunks=chunk, shards=shard, compressors=None)


def _npy(root: Path) -> Reader:
    states = np.load(root / "states.npy", mmap_mode="r")
    steps = np.arange(LENGTH)
    return lambda which, first: torch.from_numpy(states[which[:, None], first[:, None] + steps])


def _hdf5(root: Path) -> Reader:
    import h5py

    return _slices(h5py.File(root / "states.h5", "r")["states"])


def _zarr(root: Path) -> Reader:
    import zarr

    return _slices(zarr.open_array(root / "states.zarr", mode="r"))


def _slices(states: Any) -> Reader:
    def read(which: NDArray[np.int64], first: NDArray[np.int64]) -> Tensor:
        found = np.empty((len(which), LENGTH, *states.shape[2:]), np.float32)
        for i, (row, start) in enumerate(zip(which.tolist(), first.tolist(), strict=True)):
            found[i] = states[row, start : start + LENGTH]
        return torch.from_numpy(found)

    return read


def _symdiff(root: Path) -> Reader:
    states = open_store(root / "store", verify=False).states
    return lambda which, first: windows(states, torch.from_numpy(which), torch.from_numpy(first), LENGTH)


FORMATS: dict[str, Callable[[Path], Reader]] = {"npy": _npy, "symdiff": _symdiff, "HDF5": _hdf5, "zarr": _zarr}


def _compare(
    images: str, cache: str, root: Path, shape: tuple[int, ...], steps: int, trajectories: int
) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in FORMATS}
    readers = {name: make(root) for name, make in FORMATS.items()}
    for repeat in range(REPEATS):
        rng = np.random.default_rng(repeat)
        batches = [
            (rng.integers(trajectories, size=WINDOWS), rng.integers(steps + 2 - LENGTH, size=WINDOWS))
            for _ in range(BATCHES[cache])
        ]
        for name, make in FORMATS.items():
            if cache == "cold":
                readers.pop(name, None)  # a page that is mapped is not dropped
                _drop(root)
                readers[name] = make(root)
            else:
                readers[name](*batches[0])
            start = time.perf_counter()
            for batch in batches:
                readers[name](*batch)
            times[name].append((time.perf_counter() - start) / len(batches))
    size = 4e-6 * WINDOWS * LENGTH * int(np.prod(shape))
    rows = []
    for name, spent in times.items():
        ratios = sorted(npy / ours for npy, ours in zip(times["npy"], spent, strict=True))
        rows.append(
            {
                "images": images,
                "cache": cache,
                "format": name,
                "batches/s": 1 / statistics.median(spent),
                "MB/s": size / statistics.median(spent),
                "of file %": 1e8 * size / statistics.median(spent) / (reading() if cache == "warm" else reading_disk()),
                "over npy": statistics.median(ratios),
                "spread": f"{ratios[0]:.2f} ... {ratios[-1]:.2f}",
            }
        )
    return rows


def _drop(root: Path) -> None:
    """Ask the system to forget the files' pages."""
    for file in root.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
