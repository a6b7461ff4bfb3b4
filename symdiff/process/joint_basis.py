"""The orthogonal basis in which several symmetric matrices are as diagonal as they can be together."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SWEEPS = 30
GAIN = 1e-3
"""A sweep that moves less than this share of what is off the diagonal onto it is the last."""

ROUNDING = 1e-14
"""Share of the energy that is nothing."""


def joint_basis(matrices: Float[Tensor, "n k k"], *, sweeps: int = SWEEPS, gain: float = GAIN) -> Float[Tensor, "k k"]:
    """Columns u_i that maximise ``sum_n sum_i (u_i^T S_n u_i)^2``, by Jacobi rotations.

    Every rotation has the best angle for its pair of coordinates in closed form, from the leading eigenvector of the
    2 x 2 matrix ``sum_n h h^T`` with ``h = (S_pp - S_qq, 2 S_pq)``. Pairs without a common coordinate do not disturb
    each other, so that ``k/2`` are turned at once and a sweep over all pairs has ``k - 1`` rounds (Brent and Luk, SIAM
    J. Sci. Stat. Comput. 6, 1985). Begins at the eigenvectors of the sum, which are the answer where the matrices
    commute and the sum has no repeated eigenvalue.

    Reference: Cardoso and Souloumiac, "Jacobi angles for simultaneous diagonalization", SIAM J. Matrix Anal. Appl.
    17(1), 1996.

    Parameters
    ----------
    matrices
        Only their symmetric parts count.
    sweeps, gain
        Stop after so many sweeps, or when one moves less than this share of the energy off the diagonal onto it.
    """
    k = matrices.shape[-1]
    symmetric = (matrices + matrices.mT).double() / 2
    symmetric = symmetric - symmetric.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None] * _eye(symmetric)
    total = float(symmetric.square().sum())
    if k < 2 or total == 0:
        return _eye(symmetric).to(matrices.dtype)
    basis: Tensor = torch.linalg.eigh(symmetric.sum(0))[1]
    # The matrices last: a rotation then touches contiguous rows of numbers.
    turned = (basis.T @ _fewer(symmetric) @ basis).permute(1, 2, 0).contiguous()
    rounds = _rounds(k, matrices.device)
    reached = float(_diagonal(turned).square().sum())
    for _ in range(sweeps):
        for p, q in rounds:
            _rotate(turned, basis, p, q)
        before, reached = reached, float(_diagonal(turned).square().sum())
        if reached - before <= gain * (total - reached) + ROUNDING * total:
            break
    return basis.to(matrices.dtype)


def off_diagonal(
    matrices: Float[Tensor, "*batch k k"], basis: Float[Tensor, "k k"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Energy off the diagonal in `basis`, and in all, of the traceless parts; skew parts are off it in every basis."""
    turned = basis.T @ matrices @ basis
    diagonal = turned.diagonal(dim1=-2, dim2=-1)
    off = (turned - torch.diag_embed(diagonal)).square().sum((-2, -1))
    return off, off + (diagonal - diagonal.mean(-1, keepdim=True)).square().sum(-1)


def _rotate(turned: Tensor, basis: Tensor, p: Tensor, q: Tensor) -> None:
    """Turn the coordinate pairs (p_i, q_i), all disjoint, by their best angles, in place."""
    difference, twice = turned[p, p] - turned[q, q], 2 * turned[p, q]
    on = difference.square().sum(-1) - twice.square().sum(-1)
    off = 2 * (difference * twice).sum(-1)
    angle = 0.5 * torch.atan2(off, on + torch.hypot(on, off))
    cos, sin = angle.cos(), angle.sin()
    for axis in (0, 1):
        c, s = (v[:, None, None] if axis == 0 else v[None, :, None] for v in (cos, sin))
        one, other = turned.index_select(axis, p), turned.index_select(axis, q)
        turned.index_copy_(axis, p, c * one + s * other)
        turned.index_copy_(axis, q, c * other - s * one)
    one, other = basis[:, p], basis[:, q]
    basis[:, p], basis[:, q] = cos * one + sin * other, cos * other - sin * one


def _rounds(k: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Every pair of coordinates once, in rounds of disjoint pairs: a round-robin tournament."""
    players = list(range(k)) + ([-1] if k % 2 else [])
    half = len(players) // 2
    rounds = []
    for _ in range(len(players) - 1):
        pairs = [pair for pair in zip(players[:half], players[: -half - 1 : -1], strict=True) if -1 not in pair]
        p, q = zip(*pairs, strict=True)
        rounds.append((torch.tensor(p, device=device), torch.tensor(q, device=device)))
        players = [players[0], players[-1], *players[1:-1]]
    return rounds


def _fewer(matrices: Tensor) -> Tensor:
    """The principal components of the set: the energy on the diagonal depends on ``sum_n vec(S_n) vec(S_n)^T`` only."""
    flat = matrices.flatten(1)
    values, vectors = torch.linalg.eigh(flat @ flat.T)
    left_out = values.clamp(min=0).cumsum(0) <= ROUNDING * values.clamp(min=0).sum()
    components: Tensor = vectors[:, ~left_out].T @ flat
    return components.reshape(-1, *matrices.shape[1:])


def _diagonal(turned: Tensor) -> Tensor:
    diagonal: Tensor = turned.diagonal(dim1=0, dim2=1)
    return diagonal


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
