"""The largest eigenvalues of the symmetric part of Jacobians that are known by their products only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Products = Callable[[Float[Tensor, "n k d"]], Float[Tensor, "n k d"]]
"""k products at each of n states."""


class Krylov(NamedTuple):
    """Orthonormal directions Q (rows) at every state, and what the Jacobian does to them.

    Attributes
    ----------
    directions
        Q.
    pushed, pulled
        ``J q`` and ``J^T q`` for every row q.
    """

    directions: Float[Tensor, "n m d"]
    pushed: Float[Tensor, "n m d"]
    pulled: Float[Tensor, "n m d"]


class Ritz(NamedTuple):
    """Rayleigh-Ritz approximations, in descending order.

    Attributes
    ----------
    values
        theta, within ``residuals`` of an eigenvalue of ``S = (J + J^T)/2`` each.
    vectors
        v, orthonormal rows.
    residuals
        ``|S v - theta v|``.
    """

    values: Float[Tensor, "n m"]
    vectors: Float[Tensor, "n m d"]
    residuals: Float[Tensor, "n m"]


def block_krylov(push: Products, pull: Products, start: Float[Tensor, "n b d"], depth: int) -> Krylov:
    """Orthonormal basis of ``span {V, S V, ..., S^(depth-1) V}`` for random V, by block Lanczos.

    All directions are kept orthogonal to all earlier ones, which costs next to nothing beside the products. A space
    that is invariant early is filled up with random directions. At the price of the same products this space contains
    that of randomised subspace iteration, and converges faster (Musco and Musco, NeurIPS 2015; the random start and
    Rayleigh-Ritz are those of Halko, Martinsson and Tropp, SIAM Review 53(2), 2011).

    Parameters
    ----------
    push, pull
        Products with J and with its transpose.
    start
        Random directions V, independent between states.
    depth
        Blocks; fewer where d has not room for so many.
    """
    n, block, d = start.shape
    block = min(block, d)
    spare = start[:, :block]
    new = _orthonormal(spare, start.new_zeros(n, 0, d))
    directions, pushed, pulled = [new], [push(new)], [pull(new)]
    for _ in range(min(depth, d // block) - 1):
        image = (pushed[-1] + pulled[-1]) / 2
        size = image.norm(dim=-1, keepdim=True).amax(1, keepdim=True)
        # The random part is below rounding unless the image lies in the space already, or is zero.
        image = image / size.clamp(min=torch.finfo(image.dtype).tiny) + torch.finfo(image.dtype).eps * spare
        new = _orthonormal(image, torch.cat(directions, dim=1))
        directions.append(new)
        pushed.append(push(new))
        pulled.append(pull(new))
    return Krylov(*(torch.cat(blocks, dim=1) for blocks in (directions, pushed, pulled)))


def rayleigh_ritz(space: Krylov) -> Ritz:
    """Eigenvalues and eigenvectors of ``Q S Q^T``, and how far they are from being those of S."""
    image = (space.pushed + space.pulled) / 2
    restricted = space.directions @ image.mT
    values, coordinates = torch.linalg.eigh((restricted + restricted.mT) / 2)
    values, coordinates = values.flip(-1), coordinates.flip(-1).mT
    vectors = coordinates @ space.directions
    residuals = (coordinates @ image - values[..., None] * vectors).norm(dim=-1)
    return Ritz(values, vectors, residuals)


def _orthonormal(rows: Tensor, earlier: Tensor) -> Tensor:
    """Orthonormal rows that span those given, less their part along the `earlier` ones.

    Three rounds: the first may leave rows that are mostly rounding, whose part along the earlier ones the second
    removes; the third is for the digits that the second loses.
    """
    for _ in range(3):
        rows = rows - (rows @ earlier.mT) @ earlier
        rows = torch.linalg.qr(rows.mT)[0].mT
    return rows
