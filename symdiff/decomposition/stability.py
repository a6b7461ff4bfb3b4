"""Would another sample of matrices have shown the same structure? Bootstrap over the matrices.

The commutant of some of the matrices holds the commutant of all of them. On a resample the structure found can
therefore only become finer (a block splits, two become equivalent, a type grows) unless a cut no longer holds. Both are
looked for in the basis found: the number of commuting and intertwining directions of the blocks, and the residual of
the cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symdiff.decomposition.commutant import DENSE, Noise, collect, full_space
from symdiff.decomposition.cuts import ACCEPT, REJECT, Layout, accepted
from symdiff.decomposition.sylvester import Part, noise_share

# Half way between what is noise and what is not.
_BETWEEN = (ACCEPT * REJECT) ** 0.5
# Resamples where a block is too large for its commutant to be searched whole.
_FEW = 4


@dataclass(frozen=True)
class Stability:
    """Shares of the resamples on which the structure is the same, and on which it is finer."""

    same: float
    finer: float
    resamples: int


def stability(
    layout: Layout, representatives: list[Part], noise: Noise, resamples: int, generator: torch.Generator
) -> Stability:
    """Look at the structure found on bootstrap resamples of the K matrices.

    Parameters
    ----------
    layout
        All blocks, in the basis found.
    representatives
        One copy of each equivalence class.
    """
    count = len(layout.part.matrices)
    pairs = [
        (left, right)
        for i, left in enumerate(representatives)
        for right in representatives[: i + 1]
        if left.dim == right.dim and (left is not right or left.dim > 1)
    ]
    if any(left.dim**2 > 4 * DENSE for left, _ in pairs):
        resamples = min(resamples, _FEW)
    draws = torch.randint(count, (resamples, count), generator=generator)
    weights = torch.nn.functional.one_hot(draws, count).sum(1).to(layout.part.matrices)
    finer = torch.zeros(resamples, dtype=torch.bool)
    once = torch.ones_like(weights[:1])
    for left, right in pairs:
        all_of_them = int(_counts(left, right, noise, once, generator, limit=8))
        finer |= _counts(left, right, noise, weights, generator, limit=all_of_them + 1) > all_of_them
    broken = _broken(layout, noise, weights)
    same = ~(finer | broken)
    return Stability(float(same.double().mean()), float(finer.double().mean()), resamples)


def _counts(
    left: Part, right: Part, noise: Noise, weights: Tensor, generator: torch.Generator, *, limit: int
) -> Tensor:
    """``[B]``: dimension of the intertwiners of two parts, with the matrices weighted by each row of ``[B, K]``.

    Large parts are searched for `limit` intertwiners at most.
    """
    p, q, count = left.dim, right.dim, weights.shape[1]
    if p * q > 4 * DENSE:
        return torch.tensor([_count_large(left, right, noise, w, generator, limit) for w in weights])
    space = full_space(p, q, left.matrices)
    unit = noise.level**2 / left.columns.shape[0]
    totals = torch.zeros(len(weights), len(space), len(space), dtype=torch.float64, device=weights.device)
    for k in range(count):
        images = (left.matrices[k] @ space - space @ right.matrices[k]).flatten(1)
        totals += weights[:, k, None, None] * (images @ images.mT)
    values, vectors = torch.linalg.eigh(totals / count)
    directions = torch.einsum("bni,npq->bipq", vectors, space)
    expected = unit * noise_share(left, right, directions)
    # The normal matrix is exact to rounding of its largest entry only.
    rounding = 1e-13 * values[:, -1:].clamp(min=1e-300)
    near: Tensor = values <= torch.maximum(_BETWEEN * expected, rounding)
    return near.sum(1).cpu()


def _count_large(left: Part, right: Part, noise: Noise, weights: Tensor, generator: torch.Generator, limit: int) -> int:
    drawn = weights > 0
    scale = (weights[drawn] * (drawn.sum() / weights.sum())).sqrt()[:, None, None]
    one = replace(left, matrices=left.matrices[drawn] * scale)
    other = one if left is right else replace(right, matrices=right.matrices[drawn] * scale)
    scalars = int(left is right)
    return scalars + len(collect(one, other, noise, generator, limit=limit - scalars, sweep=False).found)


def _broken(layout: Layout, noise: Noise, weights: Tensor) -> Tensor:
    """``[B]``: whether more than noise is left between two blocks."""
    if layout.blocks == 1:
        return torch.zeros(len(weights), dtype=torch.bool)
    p, count = layout.part, weights.shape[1]
    member = torch.nn.functional.one_hot(layout.labels).to(p.matrices)
    energy = member.mT @ p.matrices.square() @ member
    share = torch.outer(p.row_energy @ member, p.column_energy @ member)
    expected = count * noise.level**2 / p.columns.shape[0] * (share + share.mT)
    found = torch.einsum("bk,kij->bij", weights, energy + energy.mT) / expected
    worst = (found * (1 - torch.eye(layout.blocks).to(found))).amax((1, 2))
    return (worst > 2 * accepted(2 * count)).cpu()
