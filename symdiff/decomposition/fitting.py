"""Least squares on what noise has touched: how large noise is in a basis, and how closely it lets one fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from symdiff.decomposition.sylvester import adjoint, commutators, least_squares

DENSE = 1100  # unknowns of the largest least-squares problem whose normal equations are written out


@dataclass(frozen=True)
class EntryNoise:
    """Noise on K matrices: entry (i, j) has standard deviation ``level * sqrt(rows[i] * columns[j])``.

    `inflation` is the share of its energy that errors of a change of basis have added, as a factor.
    """

    level: float
    rows: Tensor
    columns: Tensor
    count: int
    inflation: float = 1.0

    def energy(self, left: Tensor, right: Tensor) -> float:
        """Expected ``Σ_k ‖leftᵀ N_k right‖²`` for `left` [d, p] and `right` [d, q]."""
        return self.count * self.level**2 * float((self.rows @ left**2).sum() * (self.columns @ right**2).sum())

    def of_maps(self, source: EntryNoise, maps: Tensor) -> Tensor:
        """Expected ``Σ_k ‖X N_k - M_k X‖²`` of X [n, q, p], for M this noise and N that of the source: [n]."""
        first = (maps**2 @ source.rows).sum(-1) * source.columns.sum() * source.level**2
        second = (self.columns @ maps**2).sum(-1) * self.rows.sum() * self.level**2
        return self.count * (first + second)

    def of_map(self, source: EntryNoise) -> float:
        """The mean of `of_maps` over the maps of unit norm."""
        first = float(source.rows.mean() * source.columns.sum()) * source.level**2
        return self.count * (first + float(self.columns.mean() * self.rows.sum()) * self.level**2)

    def ridge(self, outside: Tensor, inside: Tensor) -> float:
        """What noise leaves on average of a map between subspaces of unit norm, as `of_maps`."""
        (rows, columns), (rows_in, columns_in) = (
            (self.rows @ axes**2, self.columns @ axes**2) for axes in (outside, inside)
        )
        mean = rows_in.mean() * columns_in.sum() + columns.mean() * rows.sum()
        return self.count * self.level**2 * float(mean)

    def restricted(self, axes: Tensor, excess: float) -> EntryNoise:
        """The noise of ``axesᵀ A_k axes`` for `axes` [d, p], with `excess` more energy over all entries."""
        factor = 1 + excess / self.energy(axes, axes)
        rows, columns = self.rows @ axes**2, self.columns @ axes**2
        return EntryNoise(self.level * factor**0.5, rows, columns, self.count, self.inflation * factor)


def sylvester_gram(left: Tensor, right: Tensor) -> Tensor:
    """Normal equations ``[qp, qp]`` of ``Z -> (left_k Z - Z right_k)_k`` on row-major Z [q, p]."""
    q, p = left.shape[-1], right.shape[-1]
    cross = (left.flatten(1).T @ right.flatten(1)).view(q, q, p, p)  # [i, j, b, a]: Σ left_ij right_ba
    gram = -(cross.permute(0, 2, 1, 3) + cross.permute(1, 3, 0, 2))
    gram = gram.contiguous()
    tall, wide = left.flatten(0, 1), right.transpose(1, 2).flatten(0, 1)
    gram.diagonal(dim1=1, dim2=3).add_((tall.T @ tall).unsqueeze(-1))
    gram.diagonal(dim1=0, dim2=2).add_((wide.T @ wide).unsqueeze(-1))
    return gram.reshape(q * p, q * p)


def sylvester_fit(left: Tensor, right: Tensor, target: Tensor, ridge: float) -> Tensor:
    """Z [q, p] with the least ``Σ_k ‖left_k Z - Z right_k + target_k‖²``.

    The normal equations square the condition number; each pass solves them for what the pass before has left. A
    direction of Z on which the operator squared is less than `ridge` (or than rounding) is hardly used.
    """
    z = torch.zeros_like(target[0])
    if z.numel() > DENSE:
        for step in islice(least_squares(left, right, -target, lambda y: y), 150):
            z = z + step.change
        return z
    gram = sylvester_gram(left, right)
    rounding = 1e-14 * float(gram.diagonal().sum()) + torch.finfo(gram.dtype).tiny
    gram.diagonal().add_(max(ridge, rounding))
    factor = torch.linalg.cholesky_ex(gram)[0]
    for _ in range(3 if ridge <= rounding else 1):
        right_side = adjoint(left, right, commutators(left, right, z) + target).reshape(-1, 1)
        z = z - torch.cholesky_solve(right_side, factor).view_as(z)
    return z
