"""The section on the process: time of each part, its share of the whole analysis, and of arithmetic at its peak."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.limits import counted, share
from benchmarks.measure import Table
from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.diffusion import SOURCES
from symdiff.process.document import process_document
from symdiff.progress import Silent

MODELS = ("digits", "mnist")
PARTS = ("affine", "group", "elbo", "linear_part")
REPEATS = 2


def run() -> Table:
    """`symdiff analyze` and `symdiff process` of every embedded network, trajectories in the cache for the second."""
    rows: list[dict[str, Any]] = []
    for model in (name for name in MODELS if name in SOURCES):
        with tempfile.TemporaryDirectory() as folder:
            timing = analyze(RunConfig(model=model), Path(folder) / "run").timing
        found = [_parts(model) for _ in range(REPEATS)]
        whole = sum(timing.values())
        for part in PARTS:
            seconds = min(times[part] for times in found)
            rows.append({"model": model, "part": part, "seconds": seconds, "% of analysis": 100 * seconds / whole})
        rows.append({"model": model, "part": "process", "seconds": timing["process"]})
        rows[-1]["% of analysis"] = 100 * timing["process"] / whole
        spent = sum(min(times[part] for times in found) for part in PARTS)
        rows[-1]["of arithmetic %"] = share(spent, counted(lambda model=model: _parts(model)))
        rows.append({"model": model, "part": "analysis", "seconds": whole, "% of analysis": 100.0})
    return Table(
        title="The process section, all settings as they come",
        rows=rows,
        notes=(
            "affine: shared maps and their composition; process and analysis are of one run, with its phases.",
            "of arithmetic: products and convolutions of all parts, counted, at the speed of a large one, of the sum of"
            " the times of the parts.",
        ),
    )


def _parts(model: str) -> dict[str, float]:
    config = RunConfig(model=model)
    document = process_document(
        model,
        sampler=config.sampler,
        steps=config.steps,
        trajectories=config.trajectories,
        seed=config.seed,
        thorough=False,
        device=torch.device("cpu"),
        data=None,
        progress=Silent(),
    )
    timing: dict[str, float] = document["timing"]
    return timing
