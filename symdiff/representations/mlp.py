"""The published form: rho = exp . phi, with phi a network on the element's features."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.errors import ConfigError
from symdiff.perceptron import Perceptron
from symdiff.representations.base import Representation, runs_of_equal_size
from symdiff.representations.exponential import matrix_exponential
from symdiff.representations.separate import SeparateNetworks


class MLPRepresentation(Representation):
    """``rho(g) = exp(phi(features(g)))`` per block; not a homomorphism unless it learns to be one.

    Keurti et al. 2023, "Homomorphism AutoEncoder", section 4.

    Parameters
    ----------
    features
        ``[..., *element_shape] -> [..., n]``.
    feature_count
        n.
    block_sizes
        Sizes of the diagonal blocks.
    hidden
        Width of the two hidden layers.
    compose
        ``(g2, g1) -> g2 g1``. If given, the loss has the term ``|rho(g2 g1) - rho(g2) rho(g1)|^2`` on pairs drawn
        from the batch; without it the law is learned from the sequences alone, as published.
    separate
        A network for every block, as published, instead of one for all.
    """

    form = "mlp"

    def __init__(
        self,
        features: Callable[[Tensor], Tensor],
        feature_count: int,
        block_sizes: tuple[int, ...],
        hidden: int = 128,
        compose: Callable[[Tensor, Tensor], Tensor] | None = None,
        separate: bool = False,
    ) -> None:
        super().__init__()
        if not block_sizes:
            raise ConfigError("a representation needs at least one block")
        self.block_sizes = tuple(block_sizes)
        self.features = features
        self.compose = compose
        self._runs = runs_of_equal_size(self.block_sizes)
        self.center: Tensor
        self.spread: Tensor
        self.register_buffer("center", torch.zeros(feature_count))
        self.register_buffer("spread", torch.ones(feature_count))
        self.networks = SeparateNetworks(feature_count, hidden, self._runs) if separate else None
        if separate:
            return
        outputs = sum(size * size for size in self.block_sizes)
        self.phi = Perceptron(feature_count, hidden, hidden, outputs)
        last = self.phi[-1]
        if isinstance(last, nn.Linear):  # near the identity, so that products of many factors start bounded
            nn.init.normal_(last.weight, std=0.01 / hidden**0.5)
            nn.init.zeros_(last.bias)

    @torch.no_grad()
    def standardise(self, elements: Tensor) -> None:
        """Fix the centre and spread of the features to those of `elements` ``[n, *element_shape]``."""
        features = self.features(elements).flatten(end_dim=-2)
        self.center.copy_(features.mean(0))
        self.spread.copy_(features.std(0).clamp_min(1e-6))

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Diagonal blocks ``exp(phi)``."""
        features = (self.features(g) - self.center) / self.spread
        if self.networks is not None:
            parts = self.networks(features)
            return [
                matrix_exponential(part.unflatten(-1, (size, size)))
                for part, (_, size) in zip(parts, self._runs, strict=True)
            ]
        raw: Tensor = self.phi(features)
        parts = raw.split([count * size * size for count, size in self._runs], dim=-1)
        return [
            matrix_exponential(part.unflatten(-1, (count, size, size)))
            for part, (count, size) in zip(parts, self._runs, strict=True)
        ]

    def each_block(self, g: Tensor) -> Iterator[Tensor]:
        """One block after the other; a network of its own is evaluated by itself."""
        if self.networks is None:
            yield from super().each_block(g)
            return
        features = (self.features(g) - self.center) / self.spread
        for i, size in enumerate(self.block_sizes):
            yield matrix_exponential(self.networks.one(i, features).unflatten(-1, (size, size)))

    def penalty(self, actions: Tensor) -> Float[Tensor, ""]:
        """Mean squared defect of the law over pairs of neighbours in the batch; 0 without `compose`."""
        if self.compose is None or len(actions) < 2:
            return super().penalty(actions)
        neighbours = actions.roll(1, dims=0)
        both = torch.cat([actions, self.compose(neighbours, actions)])
        defects = []
        for blocks in self.blocks(both):
            first, product = blocks.split(len(actions))
            second = first.roll(1, dims=0)  # the blocks of the neighbours
            defects.append((product - second @ first).square().sum((-3, -2, -1)).mean())
        return torch.stack(defects).sum()
