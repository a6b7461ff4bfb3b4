"""One invariant subspace of noisy matrices, or a bound that excludes every one of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import chdtri  # what scipy.stats.chi2.isf is, which is slow to import
from torch import Tensor

from symdiff.decomposition.balance import Balance, balance_along
from symdiff.decomposition.curvature import Curvature, curvature
from symdiff.decomposition.cuts import ACCEPT, REJECT
from symdiff.decomposition.fitting import DENSE, EntryNoise, sylvester_fit, sylvester_gram
from symdiff.decomposition.sylvester import commutators

_ROUNDS = 24
_STEPS = 40
_CORRELATED = 2.5
_LARGE = 64  # beyond this dimension the bound is asked for only after the moment has failed
_COMBINATIONS = 32


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
    error
        Bound on the squared error of the subspace where it does not rest on the residual alone, else infinite.
    """

    basis: Tensor | None
    rank: int
    irreducible: bool
    ratio: float
    error: float = float("inf")


def completed(axes: Tensor) -> Tensor:
    """An orthogonal matrix whose first columns span the columns of `axes` [d, p]."""
    basis: Tensor = torch.linalg.qr(axes, mode="complete")[0]
    return basis


def residual_ratio(matrices: Tensor, basis: Tensor, p: int, noise: EntryNoise) -> float:
    """``Σ_k ‖(part of A_k U outside U)‖²`` over that of noise, for U the first p columns of the orthogonal `basis`."""
    inside, outside = basis[:, :p], basis[:, p:]
    return float((outside.T @ matrices @ inside).square().sum()) / noise.energy(outside, inside)


def acceptable(count: int, axes: Tensor) -> float:
    """The largest residual ratio of `axes` [d, p] that passes for noise.

    One in ten thousand true subspaces leaves more, of which as many squares are fitted as the subspace has parameters;
    but at least what noise that is correlated between entries may leave, and at most `ACCEPT`.
    """
    d, p = axes.shape
    parameters = p * (d - p)
    chance = float(chdtri(max(1, count - 1) * parameters, 1e-4)) / (count * parameters)
    return min(ACCEPT, max(_CORRELATED, chance))


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
    proposals, error = _from_commutant(matrices, noise) if d * d <= DENSE else ([], 0.0)
    for turn in range(_ROUNDS):
        state = Balance.at(matrices, frame)
        moves = [balance_along(state, state.moment, tries)]
        if d <= _LARGE or turn >= 3:
            bound, bend = _exclude(state, noise, generator)
            if bound >= REJECT:
                return Search(None, 0, True, bound)
            moves.extend(balance_along(state, symmetric, tries) for symmetric in (bend.newton, bend.lowest))
        exact = len(proposals)
        proposals.extend(torch.linalg.solve(frame, axes) for move in moves for axes in move.candidates)
        for n, axes in enumerate(proposals):
            basis, ratio = polish(matrices, torch.linalg.qr(axes)[0], noise)
            best = min(best, ratio)
            if ratio <= acceptable(noise.count, axes):
                return Search(basis, axes.shape[1], False, ratio, error if n < exact else float("inf"))
        frame = min(moves, key=lambda move: move.energy).frame @ frame
        frame = frame * (d**0.5 / torch.linalg.norm(frame))
        proposals = []
    return Search(None, 0, False, best)


def _from_commutant(matrices: Tensor, noise: EntryNoise) -> tuple[list[Tensor], float]:
    """Images and kernels of nilpotent matrices that commute with `matrices`: invariant, and exact to first order.

    Between equivalent constituents the residual of a subspace is of second order and tells less. What commutes with an
    indecomposable set is a nilpotent matrix and a multiple of the identity or of a complex structure. Also returned is
    a bound on the squared error of the subspaces.
    """
    d = matrices.shape[-1]
    maps = torch.linalg.eigh(sylvester_gram(matrices, matrices))[1].T.reshape(-1, d, d)[: 2 * d]
    residual = torch.stack([commutators(matrices, matrices, x).square().sum() for x in maps])
    near = residual <= REJECT * noise.of_maps(noise, maps)
    identity = torch.eye(d).to(maps)
    gap = float(residual[~near].min()) if not bool(near.all()) else 0.0
    error = REJECT * noise.energy(identity, identity) / (noise.count * gap) if gap > 0 else float("inf")
    maps = maps[near] - identity * maps[near].diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    proposals = []
    for x in maps[torch.linalg.matrix_norm(maps) > 0.5]:
        for nilpotent in (x, x @ x - identity * (x @ x).trace() / d):
            left, size, right = torch.linalg.svd(nilpotent)
            rank = int((size[:-1] / size[1:].clamp_min(1e-15 * size[0])).argmax()) + 1
            proposals.extend([left[:, :rank], right[rank:].T])
    return proposals, error


def _exclude(state: Balance, noise: EntryNoise, generator: torch.Generator) -> tuple[float, Curvature]:
    """The exclusion in a frame; of many large matrices by some combinations: what they exclude all of them do."""
    count = noise.count
    if state.matrices.numel() * len(noise.rows) > 2e8 and len(state.matrices) > _COMBINATIONS:
        mix = torch.randn(
            len(state.matrices), _COMBINATIONS, generator=generator, dtype=torch.float64, device=generator.device
        )
        mixed = torch.einsum("kc,kij->cij", torch.linalg.qr(mix)[0].to(state.matrices), state.matrices)
        state, count = Balance.of(mixed, state.frame), _COMBINATIONS
    bend = curvature(state, generator)
    return state.exclusion(bend.smallest, count * noise.level**2, noise.rows, noise.columns), bend
