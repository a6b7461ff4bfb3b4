"""The main job, `symdiff analyze --group affine` on the embedded model: time, memory, and where they go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.limits import share
from benchmarks.measure import Table, seconds
from symdiff.config import RunConfig
from symdiff.fitting import STEPS
from symdiff.groups import FamilyOptions

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
    return Table(
        title="symdiff analyze --group affine, all settings as they come",
        rows=rows,
        conclusions={
            f"share of the {LIMIT_SECONDS} s allowed": rows[0]["seconds"] / LIMIT_SECONDS,
            f"share of the {LIMIT_MEGABYTES} MB allowed": rows[0]["megabytes"] / LIMIT_MEGABYTES,
            "seconds of the training's own matrix products alone": products,
            "training against its matrix products": train / products,
            "training, % of the peak of arithmetic": share(train, flops=STEPS * flops),
        },
        notes=(
            "megabytes is the largest resident set of the process.",
            "On more than one thread the process is described while the model trains: its share is what was waited.",
            "% of the peak: those products at the speed of a large one. The other phases are files and imports.",
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
