"""The guard against collapse: an encoder that maps everything to nearly one point satisfies every law.

A collapsed model can show smaller equivariance and homomorphism errors than one that learned, because both are
relative to latents or actions that the collapse made small or simple. What it cannot do is keep several directions of
the latents alive and reconstruct.

Reference: Roy, Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.intervals import cautions, complement, few_units, trajectory_bootstrap
from symdiff.result import Estimate

LOW_RANK = 0.1
"""Below this share of dim V0 the effective rank carries a caution."""


def effective_rank_of(singular_values: Float[Tensor, " m"]) -> float:
    """``exp`` of the entropy of the normalised singular values: m if all are equal, 1 if one holds everything."""
    total = singular_values.sum()
    if float(total) == 0:
        return 0.0
    share = singular_values / total
    return float(torch.special.entr(share).sum().exp())


def effective_rank(evaluation: Evaluation) -> Estimate:
    """Effective rank of the held-out latents (second moment, as the gauge), to be read against dim V0."""
    gauge = evaluation.gauge
    value = effective_rank_of(gauge.singular_values)
    low = f"{value:.2f} of {gauge.dimension} dimensions" if value < LOW_RANK * gauge.dimension else None
    return Estimate(value=value, n=len(torch.unique(evaluation.sequences.trajectory)), better="higher", caution=low)


def latent_spread(evaluation: Evaluation) -> Estimate:
    """Root share of the latents' second moment that lies outside its leading direction: 0 if all is on one line."""
    energy = evaluation.gauge.singular_values.square()
    total = float(energy.sum())
    value = float((energy[1:].sum() / total).sqrt()) if total > 0 else 0.0
    return Estimate(value=value, n=len(torch.unique(evaluation.sequences.trajectory)), better="higher")


def reconstruction_gap(evaluation: Evaluation) -> Estimate:
    """``1 - E|o - d(h(o))|^2 / E|o - mean o|^2``: how much better than the constant predictor, which has 0."""
    observations = evaluation.sequences.observations
    residual = (observations.flatten(0, 1) - evaluation.decode(evaluation.latents.flatten(0, 1))).flatten(1)
    error = residual.square().sum(1).reshape(observations.shape[:2]).sum(1)
    spread = (observations - observations.mean((0, 1))).square().flatten(1).sum(1)
    trajectory = evaluation.sequences.trajectory
    interval = trajectory_bootstrap(error, spread, trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap)
    units = len(torch.unique(trajectory))
    value = 1 - float(error.sum() / spread.sum())
    idle = "no better than the constant predictor" if not value > 0 else None
    return Estimate(
        value=value,
        interval=complement(interval),
        n=units,
        better="higher",
        caution=cautions(idle, few_units(units, "trajectories")),
    )
