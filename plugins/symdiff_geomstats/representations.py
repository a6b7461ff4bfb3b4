"""Representations whose values lie on a manifold by construction: ``rho(g) = Exp(X(g))``, X(g) in its Lie algebra."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.errors import ConfigError
from symdiff.representations import LieRepresentation, MLPRepresentation
from symdiff_geomstats.manifolds import Manifold


class ManifoldLie(LieRepresentation):
    """``rho(g) = Exp(d rho(log g))`` in k blocks, d rho linear with values in the Lie algebra of the manifold.

    Parameters
    ----------
    manifold
        The group of the blocks.
    log, bracket, algebra_dimension, sufficient_basis
        As for `LieRepresentation`.
    count
        k.
    """

    form = "lie"

    def __init__(
        self,
        manifold: Manifold,
        log: Callable[[Tensor], Tensor],
        bracket: Callable[[Tensor, Tensor], Tensor],
        algebra_dimension: int,
        count: int,
        sufficient_basis: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(log, bracket, algebra_dimension, (manifold.size,) * count, sufficient_basis)
        self.manifold = manifold
        # In coordinates of the algebra, so that no step of training can leave it.
        scale = 0.1 / algebra_dimension**0.5
        self.generators = nn.ParameterList(
            [nn.Parameter(torch.randn(count, algebra_dimension, manifold.dimension) * scale)]
        )
        self.algebra: Tensor
        self.register_buffer("algebra", manifold.algebra.flatten(1).to(torch.get_default_dtype()), persistent=False)

    def images(self) -> list[Float[Tensor, "k n c"]]:
        """``d rho`` as matrices of the Lie algebra."""
        return [generators @ self.algebra for generators in self.generators]

    def exponential(self, X: Float[Tensor, "*batch b b"]) -> Float[Tensor, "*batch b b"]:
        """That of the manifold."""
        return self.manifold.exp(X)

    def projected(self) -> tuple[LieRepresentation, float]:
        """Refused: homomorphisms into the full linear group would leave the manifold."""
        raise ConfigError("a rho with values on a manifold is not projected", "take -o rho=lie or -o rho=mlp")


class ManifoldMLP(MLPRepresentation):
    """``rho(g) = Exp(phi(features(g)))`` in k blocks, phi a network with values in the Lie algebra of the manifold.

    Parameters
    ----------
    manifold
        The group of the blocks.
    features, feature_count
        As for `MLPRepresentation`.
    count
        k.
    hidden
        Width of the two hidden layers.
    """

    form = "mlp"

    def __init__(
        self,
        manifold: Manifold,
        features: Callable[[Tensor], Tensor],
        feature_count: int,
        count: int,
        hidden: int = 128,
    ) -> None:
        super().__init__(features, feature_count, (manifold.size,) * count, hidden)
        self.manifold = manifold
        last = nn.Linear(hidden, count * manifold.dimension)
        nn.init.normal_(last.weight, std=0.01 / hidden**0.5)
        nn.init.zeros_(last.bias)
        self.phi[-1] = last
        self.algebra: Tensor
        self.register_buffer("algebra", manifold.algebra.flatten(1).to(torch.get_default_dtype()), persistent=False)

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Diagonal blocks ``Exp(phi)``."""
        raw: Tensor = self.phi((self.features(g) - self.center) / self.spread)
        size = self.manifold.size
        coordinates = raw.unflatten(-1, (len(self.block_sizes), self.manifold.dimension))
        return [self.manifold.exp((coordinates @ self.algebra).unflatten(-1, (size, size)))]
