"""What is reported of the Jacobians at each level, and between levels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, element_jackknife, pair_jackknife
from symdiff.process.commuting import haar_null
from symdiff.process.figures import Figure, figure, ratios
from symdiff.process.moments import Moments
from symdiff.trajectories import Trajectories

BAND = (0.05, 0.95)
"""Quantiles over states that are given with the mean eigenvalues."""

SETTLED = 0.05
"""Residual of an eigenvalue, relative to the largest, up to which it is passed over in silence.

An eigenvalue is off by no more than the residual, and by its square over the gap to the next where there is one."""

INDEFINITE = 0.2
"""Size of the lowest eigenvalue, relative to the largest, from which a negative one has to be mentioned."""

Level = dict[str, Any]


def level_figures(moments: Moments, trajectories: Trajectories, levels: list[int], level: int) -> Level:
    """What is reported of one level.

    Parameters
    ----------
    moments
        Of the Jacobians.
    trajectories, levels
        The recording, and which of its states were looked at.
    level
        Which of `levels`.
    """
    i = levels[level]
    p = float(trajectories.state_coefficient[i])
    q = float(trajectories.denoised_coefficient[i] / trajectories.scale[i])
    values = moments.eigenvalues[:, level]
    low, high = torch.quantile(values, torch.tensor(BAND, dtype=values.dtype), dim=0)
    mean = values.mean(0)
    others = [m for m in range(len(levels)) if m != level]
    energy = float(moments.traceless[:, level].sum())
    skew = min(float(moments.antisymmetric[:, level].sum()) / energy, 1.0) if energy > 0 else 0.0
    after = [level + 1] if level + 1 < len(levels) else []
    return {
        "timestep": trajectories.time(i),
        "alpha_bar": float(trajectories.alpha_bar[i]),
        "eigenvalues": mean.tolist(),
        "eigenvalues_low": low.tolist(),
        "eigenvalues_high": high.tolist(),
        "step_eigenvalues": (p + q * mean).tolist(),
        "effective_rank": _mean(moments.effective_rank[:, level]),
        "trace": _mean(moments.trace[:, level]),
        "symmetry_defect": _root(4 * moments.antisymmetric[:, level], moments.energy[:, level]),
        "commutator_states": _across(moments, level),
        "commutator_neighbour": _along(moments, level, after),
        "commutator_all": _along(moments, level, others),
        "commutator_null": haar_null(moments.dimension, skew, skew),
        "caution": _caution(moments, level),
    }


def _caution(moments: Moments, level: int) -> str | None:
    """When not to trust what is reported of a level."""
    largest, lowest = float(moments.eigenvalues[:, level, 0].mean()), float(moments.lowest[:, level].mean())
    doubt = moments.doubt[:, level].square().mean(0).sqrt()
    unsettled = [number for number, size in enumerate(doubt.tolist(), start=1) if size > SETTLED]
    silent = int((moments.traceless[:, level] <= 0).sum())
    states = len(moments.traceless)
    worst = 100 * float(doubt.max())
    return cautions(
        f"eigenvalues from number {unsettled[0]} on have not settled: residuals of up to {worst:.2g}% of the largest"
        if unsettled
        else None,
        f"eigenvalues down to {lowest:.3g} beside {largest:.3g}: they cancel in the trace, and the effective rank says "
        "little"
        if lowest < -INDEFINITE * max(largest, 0.0)
        else None,
        f"J is a multiple of the identity in {silent} of {states} states, which commutators leave out"
        if silent
        else None,
    )


def _mean(values: Tensor) -> Figure:
    """Mean over trajectories with its t interval."""
    value, interval = element_jackknife(values)
    return figure(value, interval)


def _root(numerator: Tensor, denominator: Tensor) -> Figure:
    """Root of a ratio of sums over trajectories; no value where there is nothing to compare."""
    if not float(denominator.sum()) > 0:
        return figure(None, None)
    return figure(*element_jackknife(numerator, denominator, square_root=True))


def _across(moments: Moments, level: int) -> Figure:
    """Relative commutator of different states of level level."""
    top, bottom = moments.across[level], 2 * moments.across_products[level]
    bottom = bottom - torch.diag(bottom.diagonal())
    if not float(bottom.sum()) > 0:
        return figure(None, None)
    return figure(*pair_jackknife(top, bottom, square_root=True))


def _along(moments: Moments, level: int, others: list[int]) -> Figure:
    """Mean relative commutator of level level with other levels of the same trajectory, each pair of levels alike."""
    top, bottom = moments.along[:, level, others], 2 * moments.along_products[:, level, others]
    return ratios(top, bottom, square_root=True)


def between_levels(moments: Moments) -> list[list[float | None]]:
    """Relative commutators between all pairs of levels along a trajectory, pooled over trajectories."""
    top, bottom = moments.along.sum(0), 2 * moments.along_products.sum(0)
    return [
        [(float(a) / float(b)) ** 0.5 if float(b) > 0 else None for a, b in zip(*rows, strict=True)]
        for rows in zip(top, bottom, strict=True)
    ]
