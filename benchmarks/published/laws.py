"""How the actions of a world compose: what the model has to find, and is not told where they are scrambled."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from symdiff.worlds.scrambling import Scrambling
from symdiff_actions.rotations import product, within_half_a_turn


class TrueLaw(ABC):
    """Law of a world, on action vectors ``[..., A]`` as its files have them."""

    @abstractmethod
    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The action that does what g1 and then g2 do."""

    @abstractmethod
    def inverse(self, g: Tensor) -> Tensor:
        """The action that takes g back."""


class Sums(TrueLaw):
    """Displacements add."""

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The sum."""
        return g2 + g1

    def inverse(self, g: Tensor) -> Tensor:
        """The opposite."""
        return -g


class Rotations(TrueLaw):
    """Rotation vectors."""

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The product, its angle at most pi."""
        return within_half_a_turn(product(g2, g1))

    def inverse(self, g: Tensor) -> Tensor:
        """The same angle the other way."""
        return -g


class ScrambledSums(TrueLaw):
    """Displacements add before they are scrambled."""

    def __init__(self) -> None:
        self.scrambling = Scrambling(3)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """Scrambled, the sum of what came before."""
        return self._told(self._done(g2) + self._done(g1))

    def inverse(self, g: Tensor) -> Tensor:
        """Scrambled, the opposite of what came before."""
        return self._told(-self._done(g))

    def _done(self, g: Tensor) -> Tensor:
        return torch.from_numpy(self.scrambling.inverse(g.double().numpy())).to(g)

    def _told(self, g: Tensor) -> Tensor:
        return torch.from_numpy(self.scrambling(g.double().numpy())).to(g)
