"""The Fréchet mean: the point whose mean squared distance to given ones is least."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symdiff_geomstats.manifolds import Manifold

ITERATIONS = 200
TOLERANCE = 1e-10
"""Length of the mean logarithm, relative to the spread, at which the iteration counts as converged."""

ROUNDING = 1e-13
"""The same for points that are one up to rounding."""

SHORTEST = 1e-3
"""Step below which halving it any further is of no use: what is left is rounding."""

LONGEST = 2.0
TINY = 1e-300


@dataclass(frozen=True)
class Mean:
    """Means and how the iteration ended.

    Attributes
    ----------
    point
        ``[..., k, s, s]``.
    converged
        ``[...]``.
    iterations
        Of all together.
    residual
        Length of the mean logarithm at the end: 0 at a critical point.
    """

    point: Float[Tensor, "*batch k s s"]
    converged: Bool[Tensor, "*batch"]
    iterations: int
    residual: Float[Tensor, "*batch"]


def frechet_mean(manifold: Manifold, points: Float[Tensor, "*batch t k s s"]) -> Mean:
    """The means over t of points on a product of k copies of `manifold`, many sets at a time.

    ``M <- M Exp(s mean of Log(M^-1 A_t))``, from the middle point, block by block. s is 1 at first, then the step of
    Barzilai and Borwein (1988), which is the inverse of the curvature just met; a step that made the mean logarithm
    longer is taken back and halved. On GL+(n), where no distance is minimised, the fixed point is the exponential
    barycenter (Pennec and Arsigny 2013).

    Reference: Karcher, "Riemannian center of mass and mollifier smoothing", CPAM 30(5), 1977.

    Raises
    ------
    CutLocusError
        Points lie so far apart that a logarithm is not defined.
    """
    best = points[..., points.shape[-4] // 2, :, :, :]
    gradient = points.new_zeros(*best.shape[:-2], manifold.dimension)
    residual = gradient.new_full(gradient.shape[:-1], float("inf"))
    step, spread, done, candidate = torch.ones_like(residual), torch.ones_like(residual), 0, best
    while done < ITERATIONS:
        done += 1
        there = manifold.inverse(candidate).unsqueeze(-4) @ points
        coordinates = manifold.coordinates(manifold.geodesic_log(there))
        found = coordinates.mean(-3)
        length = found.norm(dim=-1)
        better = length < residual
        curvature = (gradient * (gradient - found)).sum(-1) / (step * gradient.square().sum(-1)).clamp_min(TINY)
        following = (1 / curvature.clamp_min(1 / LONGEST)).clamp_min(SHORTEST)
        step = torch.where(better, torch.where(residual.isfinite(), following, step), step / 2)
        best = torch.where(better[..., None, None], candidate, best)
        gradient = torch.where(better[..., None], found, gradient)
        spread = torch.where(better, coordinates.square().sum(-1).mean(-2).sqrt(), spread)
        residual = torch.where(better, length, residual)
        if bool(((residual <= 1e-3 * TOLERANCE * spread) | (step < SHORTEST)).all()):
            break
        candidate = best @ manifold.geodesic_exp(manifold.velocity(step[..., None] * gradient))
    converged = (residual <= TOLERANCE * spread + ROUNDING).all(-1)
    return Mean(best, converged, done, residual.norm(dim=-1))
