"""rho = exp of a network with skew values: for actions in which no linear map has to be found."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from symdiff.representations import MLPRepresentation, matrix_exponential

SCALE = 0.42
"""Standard deviation of the entries at the start; from 0 on, planes would never begin to turn."""


class SkewMLPRepresentation(MLPRepresentation):
    """``rho(g) = exp((phi(g) - phi(g)^T) / sqrt 2)`` with phi a network: orthogonal whatever is learned.

    Parameters
    ----------
    features, feature_count, block_sizes, compose
        As for `MLPRepresentation`.
    """

    form = "mlp-skew"

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        feature_count: int,
        block_sizes: tuple[int, ...],
        compose: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(features, feature_count, block_sizes, compose=compose)
        last = self.phi[-1]
        if isinstance(last, nn.Linear):
            nn.init.normal_(last.weight, std=SCALE / last.in_features**0.5)

    def exponents(self, g: Tensor) -> list[Tensor]:
        """``(phi(g) - phi(g)^T) / sqrt 2`` by runs of blocks of one size, ``[..., count, b, b]``."""
        raw: Tensor = self.phi((self.features(g) - self.center) / self.spread)
        found = []
        for part, (count, size) in zip(
            raw.split([count * size * size for count, size in self._runs], dim=-1), self._runs, strict=True
        ):
            matrices = part.unflatten(-1, (count, size, size))
            found.append((matrices - matrices.transpose(-1, -2)) / 2**0.5)
        return found

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Diagonal blocks."""
        return [matrix_exponential(exponent) for exponent in self.exponents(g)]
