"""One invariant subspace of noisy matrices, or a bound that excludes every one of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from symdiff.decomposition.balance import Balance, Curvature, balance_along, curvature
from symdiff.decomposition.cuts import ACCEPT, REJECT
from symdiff.decomposition.sylvester import adjoint, commutators, least_squares

_ROUNDS = 24
_STEPS = 40
_DENSE = 1100  # unknowns of the largest least-squares problem whose normal equations are written out
_LARGE = 64  # beyond this dimension the bound is asked for only after the moment has failed
_COMBINATIONS = 32


@dataclass(frozen=True)
class EntryNoise:
    """Noise on K matrices: entry (i, j) has standard deviation ``level * sqrt(rows[i] * columns[j])``."""

    level: float
    rows: Tensor
    columns: Tensor
    count: int

    def energy(self, left: Tensor, right: Tensor) -> float:
        """Expected ``Σ_k ‖leftᵀ N_k right‖²`` for `left` [d, p] and `right` [d, q]."""
        return self.count * self.level**2 * float((self.rows @ left**2).sum() * (self.columns @ right**2).sum())

    def of_maps(self, source: EntryNoise, maps: Tensor) -> Tensor:
        """Expected ``Σ_k ‖X N_k - M_k X‖²`` of X [n, q, p], for M this noise and N that of the source: [n]."""
        first = (maps**2 @ source.rows).sum(-1) * source.columns.sum() * source.level**2
        second = (self.columns @ maps**2).sum(-1) * self.rows.sum() * self.level**2
        return self.count * (first + second)

    def ridge(self, outside: Tensor, inside: Tensor) -> float:
        """What noise leaves on average of a map between subspaces of unit norm, as `of_maps`."""
        (rows, columns), (rows_in, columns_in) = (
            (self.rows @ axes**2, self.columns @ axes**2) for axes in (outside, inside)
        )
        mean = rows_in.mean() * columns_in.sum() + columns.mean() * rows.sum()
        return self.count * self.level**2 * float(mean)

    def restricted(self, axes: Tensor, excess: float) -> EntryNoise:
        """The noise of ``axesᵀ A_k axes`` for `axes` [d, p], with `excess` more energy over all entries."""
        level = self.level * (1 + excess / self.energy(axes, axes)) ** 0.5
        return EntryNoise(level, self.rows @ axes**2, self.columns @ axes**2, self.count)


@dataclass(frozen=True)
class Search:
    """What `search` found.

    Attributes
    ----------
    basis
        ``[d, d]`` orthogonal; its first `rank` columns span an invariant subspace. ``None`` if none was found.
    rank
        Dimension of that subspace; 0 if none was found.
    irreducible
        Whether every subspace is excluded.
    ratio
        Residual over that of noise: of the subspace; at least, over all subspaces; or the best of those tried.
    """

    basis: Tensor | None
    rank: int
    irreducible: bool
    ratio: float


def sylvester_gram(left: Tensor, right: Tensor) -> Tensor:
    """Normal equations ``[qp, qp]`` of ``Z -> (left_k Z - Z right_k)_k`` on row-major Z [q, p]."""
    q, p = left.shape[-1], right.shape[-1]
    cross = (left.flatten(1).T @ right.flatten(1)).view(q, q, p, p)  # [i, j, b, a]: Σ left_ij right_ba
    gram = -(cross.permute(0, 3, 1, 2) + cross.permute(1, 2, 0, 3))
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
    if z.numel() > _DENSE:
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


def completed(axes: Tensor) -> Tensor:
    """An orthogonal matrix whose first columns span the columns of `axes` [d, p]."""
    basis: Tensor = torch.linalg.qr(axes, mode="complete")[0]
    return basis


def residual_ratio(matrices: Tensor, basis: Tensor, p: int, noise: EntryNoise) -> float:
    """``Σ_k ‖(part of A_k U outside U)‖²`` over that of noise, for U the first p columns of the orthogonal `basis`."""
    inside, outside = basis[:, :p], basis[:, p:]
    return float((outside.T @ matrices @ inside).square().sum()) / noise.energy(outside, inside)


def polish(matrices: Tensor, axes: Tensor, noise: EntryNoise) -> tuple[Tensor, float]:
    """Least squares on the residual of a subspace, from `axes` [d, p]: an orthogonal basis, U first, and its ratio.

    Gauss-Newton with Levenberg's damping: between equivalent constituents the residual is of second order.
    """
    p = axes.shape[1]
    basis = completed(axes)
    ratio = residual_ratio(matrices, basis, p, noise)
    turned = basis.T @ matrices @ basis
    scale = float(turned.square().sum()) / len(basis)
    damping, idle = 0.0, 0
    for _ in range(_STEPS):
        ridge = noise.ridge(basis[:, p:], basis[:, :p])
        z = sylvester_fit(turned[:, p:, p:], turned[:, :p, :p], turned[:, p:, :p], max(ridge, damping))
        proposal = completed(basis[:, :p] + basis[:, p:] @ z)
        reached = residual_ratio(matrices, proposal, p, noise)
        if reached < ratio:
            idle = idle + 1 if reached > 0.9 * ratio else 0
            basis, ratio, damping = proposal, reached, damping / 10 if damping > 1e-8 * scale else 0.0
            turned = basis.T @ matrices @ basis
        else:
            idle, damping = idle + 1, max(10 * damping, 1e-5 * scale)
        if idle and (ratio <= ACCEPT or idle >= 4 or damping > scale):
            break
    return basis, ratio


def search(matrices: Tensor, noise: EntryNoise, generator: torch.Generator) -> Search:
    """An invariant subspace of `matrices` [K, d, d] at noise level, or a bound that excludes all, or neither.

    The matrices are balanced step by step. Eigenspaces of the moment, which point along the flag where there is one,
    and of the symmetric matrix that commutes best are refined and tried; the exclusion of `Balance` ends the search
    where there is none.
    """
    d = matrices.shape[-1]
    frame = torch.eye(d).to(matrices)
    best = float("inf")
    tries = 2 if d <= _LARGE else 1
    proposals = _from_commutant(matrices, noise) if d * d <= _DENSE else []
    for turn in range(_ROUNDS):
        state = Balance.at(matrices, frame)
        moves = [balance_along(state, state.moment, tries)]
        if d <= _LARGE or turn >= 3:
            bound, bend = _exclude(state, noise, generator)
            if bound >= REJECT:
                return Search(None, 0, True, bound)
            moves.extend(balance_along(state, symmetric, tries) for symmetric in (bend.newton, bend.lowest))
        proposals.extend(torch.linalg.solve(frame, axes) for move in moves for axes in move.candidates)
        for axes in proposals:
            basis, ratio = polish(matrices, torch.linalg.qr(axes)[0], noise)
            best = min(best, ratio)
            if ratio <= ACCEPT:
                return Search(basis, axes.shape[1], False, ratio)
        frame = min(moves, key=lambda move: move.energy).frame @ frame
        frame = frame * (d**0.5 / torch.linalg.norm(frame))
        proposals = []
    return Search(None, 0, False, best)


def _from_commutant(matrices: Tensor, noise: EntryNoise) -> list[Tensor]:
    """Images and kernels of nilpotent matrices that commute with `matrices`: invariant, and exact to first order.

    Between equivalent constituents the residual of a subspace is of second order and tells less. What commutes with an
    indecomposable set is a nilpotent matrix and a multiple of the identity or of a complex structure.
    """
    d = matrices.shape[-1]
    values, vectors = torch.linalg.eigh(sylvester_gram(matrices, matrices))
    maps = vectors.T.reshape(-1, d, d)[: 2 * d]
    images = torch.stack([commutators(matrices, matrices, x).square().sum() for x in maps])
    maps = maps[images <= REJECT * noise.of_maps(noise, maps)]
    identity = torch.eye(d).to(maps)
    maps = maps - identity * maps.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    proposals = []
    for x in maps[torch.linalg.matrix_norm(maps) > 0.5]:
        for nilpotent in (x, x @ x - identity * (x @ x).trace() / d):
            left, size, right = torch.linalg.svd(nilpotent)
            rank = int((size[:-1] / size[1:].clamp_min(1e-15 * size[0])).argmax()) + 1
            proposals.extend([left[:, :rank], right[rank:].T])
    return proposals


def _exclude(state: Balance, noise: EntryNoise, generator: torch.Generator) -> tuple[float, Curvature]:
    """The exclusion in a frame; of many large matrices by some combinations: what they exclude all of them do."""
    count = noise.count
    if state.matrices.numel() * len(noise.rows) > 2e8 and len(state.matrices) > _COMBINATIONS:
        mix = torch.randn(len(state.matrices), _COMBINATIONS, generator=generator, dtype=torch.float64)
        mixed = torch.einsum("kc,kij->cij", torch.linalg.qr(mix)[0].to(state.matrices), state.matrices)
        state, count = Balance.of(mixed, state.frame), _COMBINATIONS
    bend = curvature(state, generator)
    return state.exclusion(bend.smallest, count * noise.level**2, noise.rows, noise.columns), bend
