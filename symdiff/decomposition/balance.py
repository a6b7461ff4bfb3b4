"""Balancing: the change of basis that makes a set of matrices as small as it can, and what it says of subspaces.

``Σ_k ‖g A_k g⁻¹‖²`` has a smallest value over the invertible g if and only if the set is completely reducible;
otherwise it falls for ever along a flag of invariant subspaces (Kempf and Ness 1979, "The length of vectors in
representation spaces"). Where its gradient, the moment ``μ = Σ A Aᵀ - Aᵀ A``, vanishes, a projection P has
``Σ‖(1-P) A P‖² = Σ‖P A (1-P)‖²``: what is nearly invariant has a nearly invariant complement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

_MOVES = 30
_TINY = 1e-300
_LARGEST_MOVE = 5.0  # of the logarithm of a scale


@dataclass(frozen=True)
class Balance:
    """Matrices in a frame g: ``g A_k g⁻¹`` [K, d, d] and their moment ``μ = Σ AAᵀ - AᵀA`` [d, d]."""

    frame: Tensor
    matrices: Tensor
    moment: Tensor

    @classmethod
    def at(cls, matrices: Tensor, frame: Tensor) -> Balance:
        """`matrices` seen in the invertible `frame` [d, d]."""
        return cls.of(frame @ matrices @ torch.linalg.inv(frame), frame)

    @classmethod
    def of(cls, moved: Tensor, frame: Tensor) -> Balance:
        """Matrices given in the frame already."""
        wide, tall = moved.transpose(1, 2).flatten(0, 1), moved.flatten(0, 1)
        return cls(frame, moved, wide.T @ wide - tall.T @ tall)

    def exclusion(self, smallest: float, variance: float, rows: Tensor, columns: Tensor) -> float:
        """A lower bound, over all subspaces, of the residual of a subspace over what noise would leave of it.

        With λ the smallest ``Σ‖[A_k, X]‖² / ‖X‖²`` over traceless symmetric X, a projection P of rank p has
        ``2 Σ‖(1-P)AP‖² = Σ‖[A,P]‖² - tr(Pμ) >= λ p (d - p) / d - (the p largest eigenvalues of μ)``.

        Parameters
        ----------
        smallest
            λ, of a `Curvature`.
        variance, rows, columns
            The noise of entry (i, j), summed over the matrices, has variance ``variance * rows[i] * columns[j]`` before
            the change of frame.
        """
        d = len(rows)
        rank = torch.arange(1, d).to(rows)
        inverse = torch.linalg.inv(self.frame)

        def largest(symmetric: Tensor) -> Tensor:
            values: Tensor = torch.linalg.eigvalsh(symmetric)
            return values.flip(0).cumsum(0)[:-1]

        outside = largest((self.frame * rows) @ self.frame.T).flip(0)
        inside = largest((inverse.T * columns) @ inverse)
        residual = (smallest * rank * (d - rank) / d - largest(self.moment)) / 2
        return float((residual / (variance * outside * inside)).min())


@dataclass(frozen=True)
class Move:
    """The best scaling along the eigenvectors of a symmetric matrix.

    Attributes
    ----------
    frame
        ``[d, d]``, to be applied on the left of the frame.
    energy
        ``Σ‖A‖²`` after it.
    candidates
        Orthonormal ``[d, p]``: the eigenspaces that leave least residual.
    """

    frame: Tensor
    energy: float
    candidates: tuple[Tensor, ...]


def balance_along(state: Balance, symmetric: Tensor, tries: int) -> Move:
    """Minimise ``Σ‖A‖²`` over the scalings of the eigenvectors of `symmetric` [d, d].

    With ``W_ij = Σ_k (Vᵀ A_k V)_ij²`` that is a convex function of the logarithms y of the scales,
    ``Σ exp(2 (y_i - y_j)) W_ij``, decreased one cut at a time: the first p against the rest, by the exact
    ``¼ log(lower / upper)``, between sweeps over single coordinates (Osborne 1960).
    """
    d = len(symmetric)
    eigenvalues, axes = torch.linalg.eigh((symmetric + symmetric.T) / 2)
    eigenvalues, axes = eigenvalues.flip(0), axes.flip(1)
    # From here on d x d numbers are looked at one after the other, which numpy does at less cost than torch.
    weights = (axes.T @ state.matrices @ axes).square().sum(0).cpu().numpy()
    lower, upper = across(weights)
    rank = np.arange(1, d)
    cost = np.minimum(lower, upper) / (rank * (d - rank))
    gain = np.abs(np.sqrt(upper) - np.sqrt(lower))
    candidates = []
    for p in dict.fromkeys([int(gain.argmax()) + 1, int(cost.argmin()) + 1][:tries]):
        candidates.append(axes[:, :p] if lower[p - 1] <= upper[p - 1] else axes[:, p:])
    weights = weights + 1e-26 * float(weights.sum())
    starts = (np.zeros(d), eigenvalues.cpu().numpy().clip(-_LARGEST_MOVE, _LARGEST_MOVE))
    scale = min(starts, key=lambda y: float(_scaled(weights, y).sum()))
    for _ in range(_MOVES):
        lower, upper = across(_scaled(weights, scale))
        best = int(np.abs(np.sqrt(upper) - np.sqrt(lower)).argmax())
        # Positive where the part above the diagonal, out of the last coordinates into the first, is the larger one.
        move = 0.25 * (math.log(max(upper[best], _TINY)) - math.log(max(lower[best], _TINY)))
        scale = scale - np.where(np.arange(d) <= best, max(-_LARGEST_MOVE, min(_LARGEST_MOVE, move)), 0.0)
        current = _scaled(weights, scale)
        scale = scale + 0.125 * np.log(current.sum(0) / current.sum(1))
        scale = (scale - scale.mean()).clip(-_LARGEST_MOVE, _LARGEST_MOVE)
    energy = float(_scaled(weights, scale).sum())
    return Move(torch.from_numpy(np.exp(scale)).to(axes)[:, None] * axes.T, energy, tuple(candidates))


def across(weights: Array) -> tuple[Array, Array]:
    """For p = 1 .. d-1 the sums of ``weights[i, j]`` over ``i > p >= j`` and over ``j > p >= i``, each [d - 1]."""
    inner = weights.cumsum(0).cumsum(1).diagonal()
    rows, columns = weights.sum(1).cumsum(), weights.sum(0).cumsum()
    return (columns - inner)[:-1].clip(0), (rows - inner)[:-1].clip(0)


def _scaled(weights: Array, scale: Array) -> Array:
    """``weights[i, j] exp(2 (y_i - y_j))``."""
    factor = np.exp(2 * scale)
    scaled: Array = weights * factor[:, None] / factor
    return scaled
