"""One basis of a space, and one order of the blocks, where the mathematics leaves the choice.

Eigenvectors of equal eigenvalues, the vectors of a null space and the signs of both are as rounding has it, and what is
computed from them jumps with the last bit of the matrices. Here a fixed symmetric matrix W of the given coordinates
chooses: the basis of a subspace diagonalises W in it, and subspaces are ordered by the mean of W. Both are functions of
the subspace alone and continuous in it, except where eigenvalues of W in it, or two means, meet.

W is ``diag(sqrt(1), sqrt(2), ...) - w w^T`` with ``w_i = 1 / sqrt(i)``. The first term puts what is already block
diagonal in the order it is in. It does not tell apart subspaces spread evenly over all coordinates, such as the
isotypic ones of a regular representation; the second does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from symdiff.decomposition.sylvester import Part


def upright(columns: Tensor) -> Tensor:
    """The orthogonal ``[..., d, d]`` that turns a basis ``[..., m, d]`` of a subspace into the one chosen for it.

    Bases that differ by an orthogonal matrix are turned into the same one.
    """
    roots, w = _weights(columns)
    across = w @ columns
    moment = columns.mT @ (roots[:, None] * columns) - across[..., :, None] * across[..., None, :]
    turn: Tensor = torch.linalg.eigh((moment + moment.mT) / 2).eigenvectors
    signs = torch.where(across[..., None, :] @ turn < 0, -1.0, 1.0).to(turn)
    return turn * signs


def in_gauge(part: Part) -> Part:
    """The part in the basis chosen for it, of those that differ from its own by an orthogonal matrix."""
    turn = upright(part.columns)
    return part.turned(turn, turn.mT)


def drawn(left: Part, right: Part, generator: torch.Generator) -> Tensor:
    """A random ``[p, q]`` of independent normal entries, drawn for the gauge of the parts and told in their own bases.

    Two bases of the same subspaces are given the same linear map.
    """
    x = torch.randn(left.dim, right.dim, generator=generator, dtype=torch.float64).to(left.matrices)
    one = upright(left.columns)
    return one @ x @ (one if left is right else upright(right.columns)).mT


def position(parts: list[Part]) -> float:
    """The mean of W on the sum of some parts: what blocks are ordered by.

    It is the trace of W and the projector on the sum along everything else, so it does not depend on how the sum is
    divided into parts.
    """
    total = 0.0
    for part in parts:
        roots, w = _weights(part.columns)
        total += float((part.rows.mT * part.columns).sum(1) @ roots - (part.rows @ w) @ (w @ part.columns))
    return total / sum(part.dim for part in parts)


def _weights(columns: Tensor) -> tuple[Tensor, Tensor]:
    roots = torch.arange(1, columns.shape[-2] + 1).to(columns).sqrt()
    return roots, 1 / roots
