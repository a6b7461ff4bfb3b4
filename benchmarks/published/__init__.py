"""The world `displaced`, by our recipe and by what the published code prints of itself."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.limits import counted, share
from benchmarks.measure import Table
from benchmarks.published.figures import blocks, figures
from benchmarks.published.recipe import STEPS, family, observed, train
from symdiff.worlds import make_world

SEEDS = 5
LATENT = 4
CONSTANT = 530.0
"""Nats an image costs if one constant image is decoded for all."""

PUBLISHED: dict[str, Any] = {
    "seed": "published, 6000 steps", "homomorphism": 0.0079, "identity": 0.0067, "inverse": 0.0089,
    "commutator": 0.0073, "orthogonality": 0.109, "r2": 0.9995, "bce": 6.2,
    "bce_1": 5.6, "bce_8": 15.0, "bce_16": 30.0, "bce_64": 1183.0,
}  # fmt: skip


def run() -> Table:
    """One row a seed, one run that is left to collapse, and the published code's own figures.

    Figures are those after the brackets were projected onto homomorphisms (`moved`: by how much of d rho); what
    training alone reached is in the columns `before`.
    """
    rows = [_row(seed) for seed in range(SEEDS)]
    collapsed = _row(0, spread=0.0) | {"seed": "0, nothing spreads the latents"}
    worst = {
        "homomorphism": max(row["homomorphism"] for row in rows),
        "bce": max(row["bce"] for row in rows),
        "r2": min(row["r2"] for row in rows),
        "bce_64 over bce_1": max(row["bce_64"] / row["bce_1"] for row in rows),
        "collapsed": sum(row["singular"] < 0.1 or row["bce"] > CONSTANT / 2 for row in rows),
    }
    return Table(
        title=f"World displaced, m = {LATENT} dense, {STEPS} steps of batch 50, one thread",
        rows=[*rows, collapsed, PUBLISHED],
        conclusions={"worst seed": worst},
        notes=(
            "Definitions: benchmarks/published/figures.py. A constant image costs 530 nats.",
            "of arithmetic: products and convolutions of the steps, counted, at the speed of a large product, of the "
            "CPU time of training.",
        ),
    )


def _row(seed: int, **options: float) -> dict[str, Any]:
    torch.manual_seed(seed)
    data, held_out = make_world("displaced", 4000, 8, seed=seed), make_world("displaced", 512, 64, seed=1000 + seed)
    recording = observed(data)
    chosen = family(recording, **options)
    model = chosen.model(LATENT, seed)
    start = time.process_time()
    train(model, chosen, recording, seed)
    seconds = time.process_time() - start
    observations = torch.from_numpy(held_out.observations).float() / 255
    two, one = (counted(lambda n=n: train(chosen.model(LATENT, seed), chosen, recording, seed, n)) for n in (20, 10))
    axes = torch.tensor(held_out.meta["axes"], dtype=torch.float32)
    actions = torch.from_numpy(held_out.actions)
    trained = figures(model, observations, actions, axes)
    learned = model.representation.double()
    exact, moved = learned.projected()
    found = {"blocks": blocks(exact, actions[:, 0]), "blocks before": blocks(learned, actions[:, 0])}
    model.representation = exact.float()
    return {
        "seed": str(seed),
        "seconds": seconds,
        "of arithmetic %": share(seconds, STEPS * (two - one) / 10),
        **figures(model, observations, actions, axes),
        "homomorphism before": trained["homomorphism"],
        **found,
        "moved": moved,
    }
