"""A recording larger than memory may be: resident memory while it is written, and while windows are read from it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.limits import reading, writing
from benchmarks.measure import Table
from benchmarks.recording import Half
from symdiff.diffusion import DDPM
from symdiff.trajectories import cut, open_store, record_store

CASES = {
    "many: 1700 trajectories of 50 steps of 3x64x64": ((3, 64, 64), 50, 1700),
    "long: 6 trajectories of 1000 steps of 3x256x256": ((3, 256, 256), 1000, 6),
}
"""Shape, steps and trajectories; more than 8 GB of float32 each, written and deleted."""

LIMIT_GIGABYTES = 2
BATCHES = 50


def run() -> Table:
    """Every case in processes of their own, one that records and one that reads."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            store = Path(folder) / "store"
            row: dict[str, Any] = {"case": case}
            for task in ("write", "read"):
                command = [sys.executable, "-m", "benchmarks.recording_memory", task, case, str(store)]
                row |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            row["on disk GB"] = sum(file.stat().st_size for file in store.iterdir()) / 1e9
            row["recording of file %"] = 1e8 * row["recording MB/s"] / writing()
            row["verifying of file %"] = 1e8 * row["verifying MB/s"] / reading()
            row["windows of file %"] = 1e8 * row["windows MB/s"] / reading()
            for file in store.iterdir():
                file.unlink()
            store.rmdir()
            rows.append(row)
    return Table(
        title="Recording (DDPM, a model that costs nothing) to disk, and reading random windows of 5 states from it",
        rows=rows,
        conclusions={
            f"of the {LIMIT_GIGABYTES} GB allowed while recording": max(row["recording peak GB"] for row in rows)
            / LIMIT_GIGABYTES,
            "GB written for 1 GB resident": min(row["on disk GB"] / row["recording peak GB"] for row in rows),
        },
        notes=(
            "of file: of the speed of a small file written in a row and brought to the disk, or read from the page "
            "cache, which a file larger than memory cannot be.",
            "peak: the largest resident set (VmHWM) of the process, libraries included; imports: after they were "
            "loaded.",
            "Reading maps the files: pages of them count as resident while the system has no better use for them. "
            "anonymous is what cannot be taken back.",
        ),
    )


def write(case: str, store: Path) -> dict[str, float]:
    """Record a case."""
    shape, steps, trajectories = CASES[case]
    imports = _status("VmHWM")
    start = time.perf_counter()
    record_store(store, Half(shape), DDPM(), steps, trajectories, device="cpu")
    elapsed = time.perf_counter() - start
    size = sum(file.stat().st_size for file in store.iterdir())
    return {
        "imports GB": imports,
        "recording peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "recording seconds": elapsed,
        "recording MB/s": size / 1e6 / elapsed,
    }


def read(case: str, store: Path) -> dict[str, float]:
    """Verify a store and draw windows from it."""
    start = time.perf_counter()
    recording = open_store(store)
    verified = time.perf_counter()
    for seed in range(BATCHES):
        cut(recording, 4, 16, torch.Generator().manual_seed(seed))
    drawn = time.perf_counter()
    numbers = BATCHES * 16 * 5 * recording.states[0, 0].numel()
    return {
        "verifying MB/s": sum(file.stat().st_size for file in store.iterdir()) / 1e6 / (verified - start),
        "windows MB/s": 4e-6 * numbers / (drawn - verified),
        "reading peak GB": _status("VmHWM"),
        "reading anonymous GB": _status("RssAnon"),
    }


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":")) / 1e6


if __name__ == "__main__":
    task, case, store = sys.argv[1:]
    print(json.dumps({"write": write, "read": read}[task](case, Path(store))))
