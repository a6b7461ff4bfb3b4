"""The few directions on which the Jacobians of a process do most of what they do."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Compressed(NamedTuple):
    """Jacobians on a subspace, ``Q^T J Q``.

    Attributes
    ----------
    basis
        Q, orthonormal.
    fitted
        Of the trajectories a common basis is fitted to.
    judged
        Of the trajectories it is judged on.
    """

    basis: Float[Tensor, "d k"]
    fitted: Float[Tensor, "n levels k k"]
    judged: Float[Tensor, "m levels k k"]


def leading_subspace(columns: Float[Tensor, "d n"], k: int) -> Float[Tensor, "d k"]:
    """Orthonormal basis of the k leading eigenvectors of ``F F^T``, from the smaller of the two Gram matrices."""
    d, n = columns.shape
    k = min(k, d, n)
    if d <= n:
        directions: Tensor = torch.linalg.eigh(columns @ columns.T)[1]
        return directions[:, -k:]
    vectors = torch.linalg.eigh(columns.T @ columns)[1][:, -k:]
    basis: Tensor = torch.linalg.qr(columns @ vectors)[0]
    return basis
