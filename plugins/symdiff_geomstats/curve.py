"""Curves on a product of k copies of a manifold: their mean, variance, principal directions, and how straight they are.

Every sum is kept trajectory by trajectory, so that intervals can be taken over trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff_geomstats.manifolds import Manifold
from symdiff_geomstats.mean import Mean, frechet_mean


@dataclass(frozen=True)
class Straightness:
    """How far curves are from the best curve of some kind, squared and summed over their points.

    Attributes
    ----------
    defect
        ``[n]``: squared distances to it.
    total
        ``[n]``: squared distances to the point it starts from (the mean, or the identity).
    """

    defect: Float[Tensor, " n"]
    total: Float[Tensor, " n"]


@dataclass(frozen=True)
class AboutMean:
    """What a curve looks like from its own Fréchet mean.

    Attributes
    ----------
    mean
        One a trajectory.
    variance
        ``[n]``: mean squared distance to it.
    shares
        ``[n, c]``: shares of the principal tangent directions, largest first.
    geodesic
        Distance from the principal geodesic through the mean.
    """

    mean: Mean
    variance: Float[Tensor, " n"]
    shares: Float[Tensor, "n c"]
    geodesic: Straightness


def about_mean(manifold: Manifold, points: Float[Tensor, "n t k s s"]) -> AboutMean:
    """Geodesic variance, tangent principal components and the distance from the principal geodesic.

    Reference: Fletcher, Lu, Pizer, Joshi, "Principal geodesic analysis", IEEE TMI 23(8), 2004.

    Raises
    ------
    CutLocusError
        Points lie so far apart that a logarithm is not defined.
    """
    mean = frechet_mean(manifold, points)
    there = manifold.inverse(mean.point)[:, None] @ points
    tangents = manifold.coordinates(manifold.geodesic_log(there))
    flat = tangents.flatten(2)
    singular, along, principal = principal_direction(flat)
    line = (along[..., None] * principal[:, None]).unflatten(-1, tangents.shape[-2:])
    reached = manifold.geodesic_exp(manifold.velocity(line))
    squared = flat.square().sum(-1)
    energy = singular.square()
    return AboutMean(
        mean,
        squared.mean(-1),
        energy / energy.sum(-1, keepdim=True).clamp_min(torch.finfo(energy.dtype).tiny),
        # The mean itself is a point of the geodesic.
        Straightness(torch.minimum(_apart(manifold, reached, there), squared).sum(-1), squared.sum(-1)),
    )


@dataclass(frozen=True)
class Subgroup:
    """The one-parameter subgroup ``exp(s X)`` that the steps of each trajectory lie nearest to.

    Attributes
    ----------
    generator
        X, ``[n, 1, k, s, s]``.
    steps
        s of every step, ``[n, t]``.
    """

    generator: Float[Tensor, "n 1 k s s"]
    steps: Float[Tensor, "n t"]


def subgroup_of(manifold: Manifold, steps: Float[Tensor, "n t k s s"]) -> Subgroup:
    """X is the direction in which the matrix logarithms of the steps move most, s how far a step goes along it.

    Raises
    ------
    CutLocusError
        A step has no logarithm.
    """
    basis = manifold.algebra.to(steps)
    norms = basis.flatten(1).norm(dim=1)
    logs = manifold.log(steps).flatten(-2) @ (basis.flatten(1) / norms[:, None]).T
    _, along, principal = principal_direction(logs.flatten(2))
    direction = principal.unflatten(-1, logs.shape[-2:]) / norms
    return Subgroup(torch.tensordot(direction, basis, dims=1)[:, None], along)


def off_subgroup(
    manifold: Manifold, points: Float[Tensor, "n t k s s"], subgroup: Subgroup, along: Float[Tensor, "n t"]
) -> Straightness:
    """Distances of points from ``exp(s X)`` with s given by `along`.

    Of a step it is `Subgroup.steps`, of the products so far the sum of those: so products may wind round the group.
    Where all steps lie in one subgroup, both distances are 0.

    Raises
    ------
    CutLocusError
        A point has no distance on this manifold.
    """
    reached = manifold.exp(along[..., None, None, None] * subgroup.generator)
    identity = manifold.identity().to(points).expand_as(points)
    squared = _apart(manifold, identity, points)
    # The identity is a point of the subgroup.
    return Straightness(torch.minimum(_apart(manifold, reached, points), squared).sum(-1), squared.sum(-1))


def products(steps: Float[Tensor, "n t k s s"]) -> Float[Tensor, "n t k s s"]:
    """``A_t ... A_1`` for every t: later steps multiply on the left."""
    found = [steps[:, 0]]
    for t in range(1, steps.shape[1]):
        found.append(steps[:, t] @ found[-1])
    return torch.stack(found, dim=1)


def principal_direction(
    rows: Float[Tensor, "n t c"],
) -> tuple[Float[Tensor, "n s"], Float[Tensor, "n t"], Float[Tensor, "n c"]]:
    """Singular values of the rows about 0, their coordinate along the first direction, and that direction."""
    _, singular, right = torch.linalg.svd(rows, full_matrices=False)
    principal = right[:, 0]
    return singular, (rows @ principal[..., None]).squeeze(-1), principal


def _apart(manifold: Manifold, A: Tensor, B: Tensor) -> Tensor:
    """Squared distances on the product of the blocks, ``[n, t]``."""
    return manifold.distance(A, B).square().sum(-1)
