"""The orthogonal basis in which several symmetric matrices are as diagonal as they can be together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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
    J. Sci. Stat. Comput. 6, 1985). The coordinates of a pair are kept half of all apart, so that a round is a few
    operations on whole blocks. Begins at the eigenvectors of the sum, which are the answer where the matrices
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
    seats = _seats(k)
    # The matrices last: a rotation then touches contiguous rows of numbers.
    turned = _seated(_seated((basis.T @ _fewer(symmetric) @ basis).permute(1, 2, 0), 0, seats), 1, seats)
    places = _seated(basis, 1, seats)
    play = _Rounds(turned, places)
    reached = float(_diagonal(turned).square().sum())
    for _ in range(sweeps):
        for _ in range(len(seats) - 1):  # after which every coordinate is back in its seat
            play()
        before, reached = reached, float(_diagonal(turned).square().sum())
        if reached - before <= gain * (total - reached) + ROUNDING * total:
            break
    # Into the memory it was made in, by columns: products with it are then rounded as they always were.
    basis.copy_(places[:, torch.tensor(seats, device=basis.device).argsort()][:, :k])
    return basis.to(matrices.dtype)


def off_diagonal(
    matrices: Float[Tensor, "*batch k k"], basis: Float[Tensor, "k k"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Energy off the diagonal in `basis`, and in all, of the traceless parts; skew parts are off it in every basis."""
    turned = basis.T @ matrices @ basis
    diagonal = turned.diagonal(dim1=-2, dim2=-1)
    off = (turned - torch.diag_embed(diagonal)).square().sum((-2, -1))
    return off, off + (diagonal - diagonal.mean(-1, keepdim=True)).square().sum(-1)


def _seats(k: int) -> list[int]:
    """The coordinates of the first round, one pair after the other in each half; an even number of seats."""
    half = (k + 1) // 2
    return [*range(half), *reversed(range(half, 2 * half))]


def _seated(x: Tensor, dim: int, seats: list[int]) -> Tensor:
    """The coordinates along `dim` in their seats; nobody in the one that is left over, whose pair does not turn."""
    left_over = len(seats) - x.shape[dim]
    shape = list(x.shape)
    shape[dim] = left_over
    return torch.cat([x, x.new_zeros(shape)], dim).index_select(dim, torch.tensor(seats, device=x.device)).contiguous()


class _Rounds:
    """Turns every coordinate and the one half of the seats further by their best angle, and seats the next pairs.

    Parameters
    ----------
    turned
        ``[k, k, n]``, turned in place along both of its first dimensions.
    basis
        ``[., k]``, turned in place along its last.
    """

    def __init__(self, turned: Tensor, basis: Tensor) -> None:
        self.turned, self.basis, self.next_basis = turned, basis, torch.empty_like(basis)
        self.half = len(turned) // 2
        self.cos, self.sin = turned.new_empty(self.half), turned.new_empty(self.half)
        between = torch.empty_like(turned)
        self.moves = [
            *self._moves(turned, between, 0), *self._moves(between, turned, 1), *self._moves(basis, self.next_basis, 1)
        ]  # fmt: skip

    def __call__(self) -> None:
        """One round."""
        diagonal = _diagonal(self.turned).mT
        difference = diagonal[: self.half] - diagonal[self.half :]
        twice = 2 * _diagonal(self.turned[: self.half, self.half :]).mT
        on = difference.square().sum(-1) - twice.square().sum(-1)
        off = 2 * (difference * twice).sum(-1)
        angle = 0.5 * torch.atan2(off, on + torch.hypot(on, off))
        torch.cos(angle, out=self.cos)
        torch.sin(angle, out=self.sin)
        for move in self.moves:
            torch.mul(move.cos, move.one, out=move.out).add_(move.sin * move.two, alpha=move.sign)
        self.basis.copy_(self.next_basis)

    def _moves(self, x: Tensor, out: Tensor, dim: int) -> Iterator[_Move]:
        """From seats along `dim` of `x` to those of the next round: the first player stays, all others move on by one.

        Those are the seats of a round-robin tournament.
        """
        half = self.half
        shape = [half if axis == dim else 1 for axis in range(x.ndim)]
        angle = self.cos.view(shape), self.sin.view(shape)
        first, second = x.split(half, dim)
        for one, two, sign, spans in (
            (first, second, 1, [(0, 1, 0), (1, half - 1, 2), (max(1, half - 1), half, 2 * half - 1)]),
            (second, first, -1, [(0, 1, 1), (1, half, half)]),
        ):
            for begin, end, seat in spans:
                if end > begin:
                    cos, sin, a, b = (part.narrow(dim, begin, end - begin) for part in (*angle, one, two))
                    yield _Move(cos, sin, a, b, out.narrow(dim, seat, end - begin), sign)


class _Move(NamedTuple):
    """Views of what a turn reads and writes: ``out = cos one + sign sin two``."""

    cos: Tensor
    sin: Tensor
    one: Tensor
    two: Tensor
    out: Tensor
    sign: int


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
