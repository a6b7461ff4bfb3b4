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

from symdiff.decomposition.commutant import DENSE, Noise, collect
from symdiff.decomposition.cuts import ACCEPT, REJECT, Layout, accepted
from symdiff.decomposition.sylvester import Part, noise_share

# Half way between what is noise and what is not.
_BETWEEN = (ACCEPT * REJECT) ** 0.5
# Resamples where a block is too large for its commutant to be searched whole.
_FEW = 4
# Products of an entry of one matrix with one of another that are summed over at once.
_NUMBERS = 2**20


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
        if left.dim * right.dim > 4 * DENSE:
            all_of_them = _count_large(left, right, noise, once[0], generator, limit=8)
            finer |= torch.tensor(
                [_count_large(left, right, noise, w, generator, limit=all_of_them + 1) > all_of_them for w in weights]
            )
        else:
            counts = _counts(left, right, noise, torch.cat([once, weights]))
            finer |= counts[1:] > counts[0]
    broken = _broken(layout, noise, weights)
    same = ~(finer | broken)
    return Stability(float(same.double().mean()), float(finer.double().mean()), resamples)


def _counts(left: Part, right: Part, noise: Noise, weights: Tensor) -> Tensor:
    """``[B]``: dimension of the intertwiners of two parts, with the matrices weighted by each row of ``[B, K]``."""
    p, q, count = left.dim, right.dim, weights.shape[1]
    values, vectors = torch.linalg.eigh(_normal_matrices(left.matrices, right.matrices, weights) / count)
    directions = vectors.mT.unflatten(2, (p, q))
    expected = noise.level**2 / left.columns.shape[0] * noise_share(left, right, directions)
    # The normal matrix is exact to rounding of its largest entry only.
    rounding = 1e-13 * values[:, -1:].clamp(min=1e-300)
    near: Tensor = values <= torch.maximum(_BETWEEN * expected, rounding)
    return near.sum(1).cpu()


def _normal_matrices(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """``[B, p q, p q]``: of ``sum_k w_k |A_k X - X B_k|^2`` as a quadratic form in X, for each row of ``[B, K]``.

    That is ``A^T A`` on the rows of X, ``B B^T`` on its columns, and the products of an entry of A with one of B: sums
    over the matrices in which the weights are one factor of a matrix product.
    """
    (count, p, _), q = a.shape, b.shape[-1]
    rows = (weights @ (a.mT @ a).flatten(1)).unflatten(1, (p, p))
    columns = (weights @ (b @ b.mT).flatten(1)).unflatten(1, (q, q))
    crossed = torch.zeros(len(weights), p * p * q * q, dtype=a.dtype, device=a.device)
    for some in torch.split(torch.arange(count, device=a.device), max(1, _NUMBERS // (p * p * q * q))):
        crossed += weights[:, some] @ torch.einsum("kxi,kyj->kijxy", a[some], b[some]).flatten(1)
    crossed = crossed.reshape(-1, p * q, p * q)
    eye_p, eye_q = torch.eye(p).to(a), torch.eye(q).to(a)
    found = torch.einsum("bix,jy->bijxy", rows, eye_q) + torch.einsum("ix,bjy->bijxy", eye_p, columns)
    return found.reshape(crossed.shape) - crossed - crossed.mT


def _count_large(
    left: Part, right: Part, noise: Noise, weights: Tensor, generator: torch.Generator, *, limit: int
) -> int:
    """The same with one row of weights, of parts that are searched for `limit` intertwiners at most."""
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
