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

    ``M <- M Exp(mean of Log(M^-1 A_t))``, from the middle point. On GL+(n), where no distance is minimised, its fixed
    point is the exponential barycenter (Pennec and Arsigny 2013).

    Reference: Karcher, "Riemannian center of mass and mollifier smoothing", CPAM 30(5), 1977.

    Raises
    ------
    CutLocusError
        Points lie so far apart that a logarithm is not defined.
    """
    middle = points[..., points.shape[-4] // 2, :, :, :]
    residual = torch.full(points.shape[:-4], float("inf"), dtype=points.dtype, device=points.device)
    spread, done = torch.ones_like(residual), 0
    for done in range(1, ITERATIONS + 1):
        logs = manifold.geodesic_log(manifold.inverse(middle).unsqueeze(-4) @ points)
        coordinates = manifold.coordinates(logs).flatten(-2)
        spread = coordinates.square().sum(-1).mean(-1).sqrt()
        before, residual = residual, coordinates.mean(-2).norm(dim=-1)
        if bool((residual <= 1e-3 * TOLERANCE * spread).all()) or (done > 3 and bool((residual >= before).all())):
            break  # what is left is rounding, or the iteration goes round in circles
        middle = middle @ manifold.geodesic_exp(logs.mean(-4))
    return Mean(middle, residual <= TOLERANCE * spread + 1e-14, done, residual)
