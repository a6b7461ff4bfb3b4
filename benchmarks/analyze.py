"""The main job, `symdiff analyze --group affine` on the embedded model: time, memory, and where they go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch

from benchmarks.limits import Operations, arithmetic, share
from benchmarks.measure import Table, seconds
from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.fitting import STEPS
from symdiff.groups import FamilyOptions
from symdiff.progress import Silent

LIMIT_SECONDS = 120
LIMIT_MEGABYTES = 2000
COMMAND = "import sys; from symdiff.cli import main; sys.exit(main())"
CACHES = ("nothing recorded", "trajectories in the cache")


def run() -> Table:
    """The command in a process of its own, first with an empty cache, then with the trajectories there."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in CACHES:
            elapsed, spent, megabytes, phases = _analyze(Path(folder), cache)
            rows.append(
                {
                    "cache": cache,
                    "seconds": elapsed,
                    "CPU seconds": spent,
                    "megabytes": megabytes,
                    **{f"{name} %": 100 * phase / elapsed for name, phase in phases.items()},
                    "start and imports %": 100 * (1 - sum(phases.values()) / elapsed),
                    "train seconds": phases["train"],
                }
            )
    each, flops = _products()
    products = STEPS * each
    train = min(row["train seconds"] for row in rows)
    floors = {name: count / arithmetic() for name, count in _operations().items()}
    return Table(
        title="symdiff analyze --group affine, all settings as they come",
        rows=rows,
        conclusions={
            f"share of the {LIMIT_SECONDS} s allowed": rows[0]["seconds"] / LIMIT_SECONDS,
            f"share of the {LIMIT_MEGABYTES} MB allowed": rows[0]["megabytes"] / LIMIT_MEGABYTES,
            "seconds of the training's own matrix products alone": products,
            "training against its matrix products": train / products,
            "training, % of the peak of arithmetic": share(train, flops=STEPS * flops),
            "seconds of products and convolutions at the peak": {**floors, "all": sum(floors.values())},
            "nothing recorded: seconds over that": rows[0]["seconds"] / sum(floors.values()),
        },
        notes=(
            "megabytes is the largest resident set of the process.",
            "On more than one thread the process is described while the model trains: its share is what was waited.",
            "% of the peak: those products at the speed of a large one.",
            "at the peak: all that torch counts of a phase, in another run of it, at the speed of a large product.",
        ),
    )


def _analyze(folder: Path, cache: str) -> tuple[float, float, float, dict[str, float]]:
    out = folder / cache.replace(" ", "-")
    command = [sys.executable, "-c", COMMAND, "analyze", "--group", "affine", "--out", str(out), "--quiet"]
    environment = {**os.environ, "SYMDIFF_CACHE": str(folder / "cache")}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    timing = json.loads((out / "result.json").read_text())["timing"]
    return elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, timing


def _operations() -> dict[str, float]:
    """FLOP of the products and convolutions of each phase, with nothing cached, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what a second thread does is not counted
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, SYMDIFF_CACHE=str(Path(folder) / "cache")):
        with Operations() as operations:
            progress = _Counting(operations)
            analyze(RunConfig(), Path(folder) / "run", progress=progress)
        progress.phase("")
    torch.set_num_threads(threads)
    return progress.counted


class _Counting(Silent):
    """Notes how many operations there were between the beginning of a phase and that of the next one."""

    def __init__(self, operations: Operations) -> None:
        self.operations, self.counted = operations, dict[str, float]()
        self._phase, self._before = "", 0.0

    def phase(self, name: str) -> None:
        """The phase that ends here has had all operations since it began."""
        total = self.operations.count
        if self._phase:
            self.counted[self._phase] = self.counted.get(self._phase, 0.0) + total - self._before
        self._phase, self._before = name, total


def _products() -> tuple[float, float]:
    """Seconds and FLOP of one step's matrix products in encoder and decoder: forward, and twice that backward."""
    options, config, pixels, latent = FamilyOptions(), RunConfig(), 64, 32
    n = options.batch * (config.length + 1)
    layers = [(pixels, options.hidden), (options.hidden, options.hidden), (options.hidden, latent), (pixels, latent)]
    operands = [(torch.randn(n, k), torch.randn(k, m)) for k, m in (*layers, *((m, k) for k, m in layers))]

    def step() -> None:
        for x, w in operands:
            y = x @ w
            _ = y @ w.T
            _ = x.T @ y

    return seconds(step), 6.0 * sum(x.numel() * w.shape[1] for x, w in operands)
