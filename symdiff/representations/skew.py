"""rho with values in SO(m): d rho is skew whatever is learned."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.representations.lie import LieRepresentation


class SkewLieRepresentation(LieRepresentation):
    """``rho(g) = exp(d rho(log g))`` with d rho in the skew matrices, so that rho is orthogonal whatever is learned.

    Parameters
    ----------
    log, bracket, algebra_dimension, block_sizes
        As for `LieRepresentation`.
    scale
        Standard deviation of an entry of d rho at the start. From low frequencies on, the lowest ones that explain the
        motion are found first; from higher ones sums of them.
    """

    form = "lie-skew"

    def __init__(
        self,
        log: Callable[[Tensor], Tensor],
        bracket: Callable[[Tensor, Tensor], Tensor] | None,
        algebra_dimension: int,
        block_sizes: tuple[int, ...],
        scale: float = 0.2,
    ) -> None:
        super().__init__(log, bracket, algebra_dimension, block_sizes)
        with torch.no_grad():
            for generators in self.generators:
                generators.normal_(std=scale)

    def images(self) -> list[Float[Tensor, "k n c"]]:
        """The skew parts of the parameters."""
        skew = []
        for generators, (_, size) in zip(self.generators, self._runs, strict=True):
            matrices = generators.unflatten(-1, (size, size))
            skew.append(((matrices - matrices.transpose(-1, -2)) / 2).flatten(-2))
        return skew

    @torch.no_grad()
    def projected(self) -> tuple[LieRepresentation, float]:
        """As `LieRepresentation.projected`; the result is skew too.

        Of skew matrices the bracket defect is skew, and so is its pull-back by commutators with them: no step of the
        projection leaves the skew matrices.
        """
        result = copy.deepcopy(self)
        for generators, skew in zip(result.generators, self.images(), strict=True):
            generators.copy_(skew)
        return LieRepresentation.projected(result)

    def bracket_defects(self) -> list[Float[Tensor, "k r r b b"]]:
        """The defects of the images, over all pairs of the basis."""
        basis = torch.eye(self.generators[0].shape[1]).to(self.generators[0])
        brackets = self.bracket(basis[:, None], basis[None])
        defects = []
        for images, (_, size) in zip(self.images(), self._runs, strict=True):
            matrices = images.unflatten(-1, (size, size))
            products = matrices[:, :, None] @ matrices[:, None]
            expected = torch.einsum("rsn,knc->krsc", brackets, images).unflatten(-1, (size, size))
            defects.append(products - products.transpose(1, 2) - expected)
        return defects
