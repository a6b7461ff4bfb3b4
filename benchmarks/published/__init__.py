"""The worlds on which the homomorphism autoencoder was shown, analysed as the command line does, over seeds.

``python -m benchmarks published`` is the world `displaced`, five seeds and a run that is made to collapse, beside what
the published code prints of itself. ``python -m benchmarks.published WORLD...`` is any of them; see its ``--help``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Table
from benchmarks.published.figures import blocks, constant_bce, decomposed, figures, responses
from benchmarks.published.runs import Analysed, analysed
from benchmarks.published.worlds import COLLAPSE, PUBLISHED, TASKS
from symdiff.decomposition import Decomposition
from symdiff.worlds import make_world

HELD_OUT = 512
HELD_OUT_LENGTH = 64
SEEDS = 5


def run() -> Table:
    """The world `displaced`: one row a seed, one run that collapses, and the published code's own figures."""
    with tempfile.TemporaryDirectory() as folder:
        return table("displaced", range(SEEDS), Path(folder))


def table(world: str, seeds: range, folder: Path) -> Table:
    """One row a seed; runs are kept in `folder` and not made twice."""
    task = TASKS[world]
    rows = [row(world, seed, folder) for seed in seeds]
    conclusions: dict[str, Any] = {
        "median": {
            name: _median([r[name] for r in rows]) for name, value in rows[0].items() if isinstance(value, float)
        },
        "worst": {
            "homomorphism": max(r["homomorphism"] for r in rows),
            "bce": max(r["bce"] for r in rows),
            "r2": min(r["r2"] for r in rows),
            "bce_64 over bce_1": max(r["bce_64"] / r["bce_1"] for r in rows),
        },
        f"blocks {task.blocks}": f"{sum(r['blocks'] == task.blocks for r in rows)} of {len(rows)}",
        "collapsed": sum(r["verdict"] == "collapsed" for r in rows),
    }
    if world == "displaced":
        collapsed = analysed(folder, world, seeds[0], COLLAPSE)
        verdict = {"run": "made to collapse", "verdict": collapsed.result.verdict.structured}
        rows += [verdict | _figures(world, seeds[0], collapsed), PUBLISHED]
    return Table(
        title=f"World {world}, m = {task.latent} dense, {task.steps} steps of batch 50",
        rows=rows,
        conclusions=conclusions,
        notes=(
            "Definitions: benchmarks/published/figures.py; of reported models, `trained` before their projection.",
            "constant: nats that one constant image costs.",
        ),
    )


def row(world: str, seed: int, folder: Path) -> dict[str, Any]:
    """Figures of one seed."""
    task = TASKS[world]
    found = analysed(folder, world, seed, task)
    told = found.result.diagnostics
    return {
        "run": f"seed {seed}",
        "verdict": found.result.verdict.structured,
        **_figures(world, seed, found),
        **{name: told[name].value for name in ("d_lsbd", "factor_independence", "factor_ari") if name in told},
        "CPU seconds": found.seconds,
    }


def held_out(world: str, seed: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Observations in [0, 1] and actions in float64 of sequences that no run of the seed sees, and the world's law."""
    made = make_world(world, HELD_OUT, HELD_OUT_LENGTH, seed=1000 + seed)
    return torch.from_numpy(made.observations).double() / 255, torch.from_numpy(made.actions).double(), made.meta


def _figures(world: str, seed: int, found: Analysed) -> dict[str, Any]:
    task = TASKS[world]
    observations, actions, meta = held_out(world, seed)
    rho = found.reported.representation
    figure: dict[str, Any] = {
        "blocks": blocks(found.result),
        **figures(found.reported, observations, actions, task.law),
        "constant": constant_bce(observations[:, 0]),
    }
    if found.trained is not found.reported:
        before = figures(found.trained, observations, actions, task.law)
        figure["homomorphism trained"] = before["homomorphism"]
    if "axes" not in meta or "scrambling" in meta:
        return figure
    structure = decomposed(rho, actions[:, 0])
    if isinstance(structure, Decomposition):
        moved = responses(rho, structure, torch.tensor(meta["axes"], dtype=torch.float64))
        figure |= {"least response": min(moved), "largest response": max(moved)}
    return figure


def _median(values: list[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).median())
