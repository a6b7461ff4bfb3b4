"""The reconstruction of principal component analysis with as many numbers as the model has."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

MOST = 1024
"""Observations each half is fitted on: the components change little beyond."""


def pca_residual(
    observations: Float[Tensor, "n obs c h w"], trajectory: Int[Tensor, " n"], components: int
) -> float | None:
    """Share of variance that `components` centred principal components leave, fitted and judged on other trajectories.

    Each half of the trajectories is judged by the components of the other. ``None`` for a single trajectory.
    """
    units, unit = torch.unique(trajectory, return_inverse=True)
    if len(units) < 2:
        return None
    flat = observations.flatten(2)
    half = (unit % 2).bool()
    residual = total = 0.0
    for fitted, judged in ((flat[half], flat[~half]), (flat[~half], flat[half])):
        sample = fitted.flatten(0, 1)
        sample = sample[:: -(-len(sample) // MOST)]
        centre = sample.mean(0)
        components_of = _components(sample - centre, components)
        centred = judged.flatten(0, 1) - centre
        residual += float(centred.square().sum() - (centred @ components_of).square().sum())
    total = float((flat - flat.mean((0, 1))).square().sum())
    return max(residual, 0.0) / total if total > 0 else None


def _components(centred: Float[Tensor, "n d"], count: int) -> Float[Tensor, "d count"]:
    """Leading principal directions, from whichever of the two Gram matrices is smaller."""
    n, d = centred.shape
    count = min(count, n, d)
    if d <= n:
        directions: Tensor = torch.linalg.eigh(centred.T @ centred).eigenvectors
        return directions[:, d - count :]
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    kept = (values > 1e-12 * values[-1]) & (torch.arange(n, device=values.device) >= n - count)
    unmixed: Tensor = vectors[:, kept] / values[kept].sqrt()
    return centred.T @ unmixed
