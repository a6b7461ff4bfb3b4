"""How close the steps are to being diagonal in one basis: honest, on trajectories the basis was not fitted to."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.process.figures import figure, ratios
from symdiff.process.joint_basis import joint_basis, off_diagonal
from symdiff.process.moments import Moments
from symdiff.process.subspace import Compressed


def level_weights(moments: Moments, fitted: list[int]) -> Float[Tensor, " levels"]:
    """One over the energy of the traceless parts at each level, so that every level counts the same."""
    energy = moments.traceless[fitted].sum(0).clamp(min=0)
    return torch.where(energy > 0, 1 / energy.clamp(min=torch.finfo(energy.dtype).tiny), 0.0)


def common_basis(
    compressed: Compressed,
    weights: Float[Tensor, " levels"],
    energy: Float[Tensor, "m levels"],
    images: Float[Tensor, "images d"],
) -> dict[str, Any]:
    """The share of the energy that is off the diagonal in the best common basis, with its references.

    ``residual = sum |X - diag X|_F^2 / sum |X|_F^2``, summed over trajectories and then averaged over levels, with X
    the traceless part of J in the basis: 0 where all steps are diagonal in one orthogonal basis.

    Parameters
    ----------
    compressed
        The Jacobians on the leading subspace, or as they are.
    weights
        Of the levels in the fit.
    energy
        ``|X|_F^2`` of the trajectories judged, before the compression.
    images
        Finished images whose principal axes are the other candidate; none of the trajectories judged.

    Returns
    -------
    dict
        ``residual`` and ``pca_residual`` (values with intervals over the trajectories judged), ``null`` with
        ``random_basis``, the expectation in a basis drawn from the Haar measure, ``1 - 2 share / (k + 2)`` where
        `share` is that of the symmetric parts in the energy, and ``single``, what each matrix alone leaves in its own
        best basis: its antisymmetric part, since symmetric matrices are diagonal in their eigenvectors.
    """
    if not float(energy.sum()) > 0:
        return nothing("the Jacobians are multiples of the identity, diagonal in every basis")
    Q, fitted, judged = (part.cpu().double() for part in compressed)
    judged = torch.where((energy > 0)[..., None, None], judged, 0.0)
    k = Q.shape[1]
    best = joint_basis((weights.sqrt()[:, None, None] * fitted).flatten(0, 1))
    centred = (images - images.mean(0)).double() @ Q
    axes = torch.linalg.eigh(centred.T @ centred)[1]
    off, total = off_diagonal(judged, best)
    single = ratios(((judged - judged.mT) / 2).square().sum((-2, -1)), total)["value"]
    return {
        "residual": ratios(off, total),
        "pca_residual": ratios(off_diagonal(judged, axes)[0], total),
        "null": {"random_basis": 1 - 2 / (k + 2) * (1 - single), "single": single},
        "note": _note(compressed, total, energy, len(images)),
    }


def nothing(why: str) -> dict[str, Any]:
    """The answer without figures."""
    return {
        "residual": figure(None, None),
        "pca_residual": figure(None, None),
        "null": {"random_basis": None, "single": None},
        "note": why,
    }


def _note(compressed: Compressed, total: Tensor, energy: Tensor, images: int) -> str:
    """On what the basis was fitted and judged."""
    d, k = compressed.basis.shape
    share = ratios(total, energy)["value"]
    reduced = f"on the {k} of {d} directions of most energy, {100 * share:.0f}% of it; " if k < d else ""
    return (
        f"{reduced}fitted to {len(compressed.fitted)} trajectories, judged on {len(compressed.judged)} others; "
        f"principal axes of {images} finished images"
    )
