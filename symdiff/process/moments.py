"""What is known of the Jacobians of some trajectories at some levels, however it was come by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Figures of ``J[s, l] = d x0hat / d x`` for every trajectory s and level l, on the CPU in float64.

    ``S`` and ``K`` are the symmetric and the antisymmetric part of J, ``X = J - (tr J / d) I`` its traceless part.

    Attributes
    ----------
    dimension
        d.
    eigenvalues
        The largest of S, in descending order.
    lowest
        The smallest eigenvalue of S.
    doubt
        ``|S v - theta v|`` of every one of them, over the largest eigenvalue: 0 where S was a matrix.
    trace, trace_square
        ``tr J`` and ``(tr J)^2``, both without bias.
    symmetric, antisymmetric
        ``|S|_F^2`` and ``|K|_F^2``.
    traceless
        ``|X|_F^2``, 0 where X cannot be told from the rounding of J.
    along, along_products
        ``|[X_l, X_m]|_F^2`` for two levels of a trajectory, and ``|X_l X_m|_F^2 + |X_m X_l|_F^2``.
    across, across_products
        The same for two trajectories at one level; 0 where a pair was not looked at.

    Commutators and products with an X that is 0 are 0.
    """

    dimension: int
    eigenvalues: Float[Tensor, "n levels k"]
    lowest: Float[Tensor, "n levels"]
    doubt: Float[Tensor, "n levels k"]
    trace: Float[Tensor, "n levels"]
    trace_square: Float[Tensor, "n levels"]
    symmetric: Float[Tensor, "n levels"]
    antisymmetric: Float[Tensor, "n levels"]
    traceless: Float[Tensor, "n levels"]
    along: Float[Tensor, "n levels levels"]
    along_products: Float[Tensor, "n levels levels"]
    across: Float[Tensor, "levels n n"]
    across_products: Float[Tensor, "levels n n"]

    @property
    def energy(self) -> Float[Tensor, "n levels"]:
        """``|J|_F^2``."""
        return self.symmetric + self.antisymmetric

    @property
    def effective_rank(self) -> Float[Tensor, "n levels"]:
        """Participation ratio ``(tr S)^2 / tr S^2``: k for k equal eigenvalues and no others."""
        return self.trace_square / self.symmetric.clamp(min=torch.finfo(self.symmetric.dtype).tiny)


def beyond_rounding(
    traceless: Float[Tensor, "*batch"], energy: Float[Tensor, "*batch"], dimension: int, rounding: float
) -> Float[Tensor, "*batch"]:
    """``|X|_F^2``, or 0 where it is no more than entries of J known to a relative error `rounding` leave of ``c I``."""
    return torch.where(traceless > dimension * rounding**2 * energy, traceless, 0.0)
