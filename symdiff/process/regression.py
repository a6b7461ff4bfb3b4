"""Affine maps fitted by ridge regression, for any number of pixels: no d x d matrix beyond what the data span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

RIDGES = torch.logspace(-10, 1, 23, dtype=torch.float64)
"""Candidate penalties, relative to the largest squared singular value of the states."""

EXACT = 512
"""Up to this rank by a singular value decomposition; beyond it by the smaller Gram matrix, which is far cheaper and
loses directions below 1e-7 of the largest."""

CHUNK = 2**22
"""Numbers converted to float64 at once."""


@runtime_checkable
class Fitted(Protocol):
    """An affine map of flat images."""

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The image of every row."""

    def linear(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Its linear part alone."""

    @property
    def centre_x(self) -> Float[Tensor, " d"]:
        """Mean of the inputs it was fitted on."""

    @property
    def centre_y(self) -> Float[Tensor, " e"]:
        """Mean of the targets: the image of `centre_x`."""


class AffineMap(NamedTuple):
    """``x -> centre_y + (x - centre_x) B`` with ``B = left right``."""

    centre_x: Float[Tensor, " d"]
    centre_y: Float[Tensor, " e"]
    left: Float[Tensor, "d r"]
    right: Float[Tensor, "r e"]

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The image of every row."""
        return self.centre_y + self.linear(x - self.centre_x)

    def linear(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """``x B``."""
        return (x @ self.left) @ self.right


class KernelMap(NamedTuple):
    """The same with ``B = (x_train - centre_x)^T weights (y_train - centre_y)``: nothing of size d x n is made."""

    centre_x: Float[Tensor, " d"]
    centre_y: Float[Tensor, " e"]
    x_train: Float[Tensor, "m d"]
    y_train: Float[Tensor, "m e"]
    weights: Float[Tensor, "m m"]

    def __call__(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The image of every row."""
        return self.centre_y + self.linear(x - self.centre_x)

    def linear(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """``x B``."""
        product = x.new_zeros(len(x), len(self.x_train))
        for columns in _columns(self.x_train):
            product += x[:, columns] @ (self.x_train[:, columns].double() - self.centre_x[columns]).T
        product = product @ self.weights
        out = x.new_empty(len(x), self.y_train.shape[1])
        for columns in _columns(self.y_train):
            out[:, columns] = product @ (self.y_train[:, columns].double() - self.centre_y[columns])
        return out


class Inputs:
    """The states of one step, decomposed once and regressed on as often as is asked.

    Parameters
    ----------
    x
        Flat states in float32 or float64; kept as they are where there are many pixels.
    """

    def __init__(self, x: Float[Tensor, "n d"]) -> None:
        self.x = x
        self.centre = column_mean(x)
        n, d = x.shape
        right: Tensor | None
        if min(n, d) <= EXACT and d <= 2 * n:
            left, singular, rows = torch.linalg.svd(x.double() - self.centre, full_matrices=False)
            right = rows.T
        elif d <= n:
            centred = x.double() - self.centre
            singular, right = _roots(centred.T @ centred)
            left = centred @ right / singular.clamp(min=torch.finfo(singular.dtype).tiny)
        else:
            (singular, left), right = _roots(_gram(x, self.centre)), None
        # Centring makes one direction vanish where d >= n; what is left of it is rounding.
        kept = singular > 1e-7 * singular[0]
        kept[0] = True
        self.singular = singular[kept].clamp(min=torch.finfo(singular.dtype).tiny)
        self._left = left[:, kept]
        self._right = None if right is None else right[:, kept]

    def fit(self, y: Float[Tensor, "n e"]) -> Fitted:
        """Ridge-regularised least-squares affine map to `y`, the penalty chosen by generalised cross-validation.

        With more rows than columns an exactly affine y is recovered exactly: the smallest penalty is then the best.
        Reference: Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing a good ridge
        parameter", Technometrics 21(2), 1979.
        """
        centre_y = column_mean(y)
        if self._right is None:
            gram = _gram(y, centre_y)
            energy = ((gram @ self._left) * self._left).sum(0)
            best = self._shrinkage(energy, gram.diagonal().sum())
            weights = (self._left * (best / self.singular.square())) @ self._left.T
            return KernelMap(self.centre, centre_y, self.x, y, weights)
        centred = y.double() - centre_y
        projected = self._left.T @ centred
        best = self._shrinkage(projected.square().sum(1), centred.square().sum())
        return AffineMap(self.centre, centre_y, self._right, (best / self.singular)[:, None] * projected)

    def _shrinkage(self, energy: Tensor, total: Tensor) -> Tensor:
        """What is kept of each direction under the best penalty; `energy` is the target's square along each."""
        n = len(self.x)
        outside = (total - energy.sum()).clamp(min=0)
        squared = self.singular.square()
        penalty = RIDGES.to(squared) * squared[0].clamp(min=torch.finfo(squared.dtype).tiny)
        # For every penalty: the shrinkage of each direction, the residual sum of squares, the degrees of freedom.
        kept = squared / (squared + penalty[:, None])
        residual = ((1 - kept).square() * energy).sum(1) + outside
        freedom = n - 1 - kept.sum(1)
        score = torch.where(freedom > 0.5, residual / freedom.clamp(min=0.5).square(), torch.inf)
        best: Tensor = kept[int(score.argmin())]
        return best


def column_mean(x: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Mean over rows in float64, without a copy of `x` in it."""
    return x.sum(0, dtype=torch.float64) / len(x)


def _roots(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values, largest first, and singular vectors of a matrix whose Gram matrix this is."""
    values, vectors = torch.linalg.eigh(gram)
    return values.clamp(min=0).sqrt().flip(0), vectors.flip(1)


def _gram(x: Tensor, centre: Tensor) -> Float[Tensor, "n n"]:
    """``(x - centre) (x - centre)^T`` in float64."""
    gram = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    for columns in _columns(x):
        part = x[:, columns].double() - centre[columns]
        gram += part @ part.T
    return gram


def _columns(x: Tensor) -> Iterator[slice]:
    """Slices over the columns that hold no more than `CHUNK` numbers each."""
    width = max(1, CHUNK // max(len(x), 1))
    for start in range(0, x.shape[1], width):
        yield slice(start, start + width)
