"""How the actions of a world compose: what the model has to find, and is not told where they are scrambled."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from symdiff.worlds.circles import REACH, UNIT, Scrambled
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

    def within_reach(self, g: Tensor) -> Tensor:
        """Which actions are such as were trained on, ``[...]``: all of them, where rho is linear in them."""
        return torch.ones(g.shape[:-1], dtype=torch.bool)


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
        self.axes = torch.from_numpy(Scrambled().axes())

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """Scrambled, the sum of what came before."""
        return self._told(self._done(g2) + self._done(g1))

    def inverse(self, g: Tensor) -> Tensor:
        """Scrambled, the opposite of what came before."""
        return self._told(-self._done(g))

    def within_reach(self, g: Tensor) -> Tensor:
        """Those of at most 10 pixels along every circle: a network knows nothing of others."""
        pixels = self._done(g).double() @ self.axes / UNIT
        return (pixels.abs() < REACH + 0.5).all(-1)

    def _done(self, g: Tensor) -> Tensor:
        return torch.from_numpy(self.scrambling.inverse(g.double().numpy())).to(g)

    def _told(self, g: Tensor) -> Tensor:
        return torch.from_numpy(self.scrambling(g.double().numpy())).to(g)
