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
        ``|S v - theta v|`` for the worst of `eigenvalues`, over the largest of them: 0 where S was a matrix.
    trace, trace_square
        ``tr J`` and ``(tr J)^2``, both without bias.
    symmetric, antisymmetric
        ``|S|_F^2`` and ``|K|_F^2``.
    along, along_products
        ``|[X_l, X_m]|_F^2`` for two levels of a trajectory, and ``|X_l X_m|_F^2 + |X_m X_l|_F^2``.
    across, across_products
        The same for two trajectories at one level; 0 where a pair was not looked at.
    rounding
        Relative error with which an entry of J is known.
    """

    dimension: int
    eigenvalues: Float[Tensor, "n levels k"]
    lowest: Float[Tensor, "n levels"]
    doubt: Float[Tensor, "n levels"]
    trace: Float[Tensor, "n levels"]
    trace_square: Float[Tensor, "n levels"]
    symmetric: Float[Tensor, "n levels"]
    antisymmetric: Float[Tensor, "n levels"]
    along: Float[Tensor, "n levels levels"]
    along_products: Float[Tensor, "n levels levels"]
    across: Float[Tensor, "levels n n"]
    across_products: Float[Tensor, "levels n n"]
    rounding: float

    @property
    def energy(self) -> Float[Tensor, "n levels"]:
        """``|J|_F^2``."""
        return self.symmetric + self.antisymmetric

    @property
    def traceless(self) -> Float[Tensor, "n levels"]:
        """``|X|_F^2 = |J|_F^2 - (tr J)^2 / d``, 0 where it cannot be told from rounding."""
        energy = self.energy - self.trace_square / self.dimension
        return torch.where(energy > self.dimension * self.rounding**2 * self.energy, energy, 0.0)

    @property
    def effective_rank(self) -> Float[Tensor, "n levels"]:
        """Participation ratio ``(tr S)^2 / tr S^2``: k for k equal eigenvalues and no others."""
        return self.trace_square / self.symmetric.clamp(min=torch.finfo(self.symmetric.dtype).tiny)
