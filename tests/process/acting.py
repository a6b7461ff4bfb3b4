"""Small groups that act on images, each written as a third party would."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from symdiff.groups import GroupFamily


class Turns(GroupFamily):
    """C4 by quarter turns; elements are numbers of turns."""

    name: ClassVar[str] = "C4"
    summary: ClassVar[str] = "quarter turns"
    element_shape = ()  # type: ignore[assignment]

    def identity(self) -> Tensor:
        return torch.zeros(())

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return (g2 + g1) % 4

    def inverse(self, g: Tensor) -> Tensor:
        return -g % 4

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randint(4, (n,), generator=generator).float()

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        apart = (g1 - g2) % 4
        return torch.minimum(apart, 4 - apart)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        turned = torch.stack([x.rot90(k, (-2, -1)) for k in range(4)])
        g = g[..., None, None, None]
        return sum((g == k) * turned[k] for k in range(4))  # type: ignore[return-value]

    def haar_elements(self) -> Tensor:
        return torch.arange(4.0)

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        turned = [x.rot90(k, (-2, -1)) for k in range(4)]
        trivial, sign = sum(turned) / 4, (turned[0] - turned[1] + turned[2] - turned[3]) / 4
        return {"trivial": trivial, "sign": sign, "rotating": (turned[0] - turned[2]) / 2}


class SampledTurns(Turns):
    """The same, by a family that knows nothing more than the group and the action."""

    def haar_elements(self) -> None:  # type: ignore[override]
        return None

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        return GroupFamily.isotypic_components(self, x)


class TurnsAndFlips(GroupFamily):
    """D4; elements are (turns, flipped), the flip acting first."""

    name: ClassVar[str] = "D4"
    summary: ClassVar[str] = "quarter turns and reflections"
    element_shape = (2,)  # type: ignore[assignment]

    def identity(self) -> Tensor:
        return torch.zeros(2)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        sign = 1 - 2 * g2[..., 1]
        return torch.stack([(g2[..., 0] + sign * g1[..., 0]) % 4, (g2[..., 1] + g1[..., 1]) % 2], -1)

    def inverse(self, g: Tensor) -> Tensor:
        flipped = g[..., 1]
        return torch.stack([torch.where(flipped == 1, g[..., 0], -g[..., 0]) % 4, flipped], -1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.haar_elements()[torch.randint(8, (n,), generator=generator)]

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        apart = (g1[..., 0] - g2[..., 0]) % 4
        return torch.minimum(apart, 4 - apart) + (g1[..., 1] - g2[..., 1]).abs()

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        turns, flipped = g[..., 0, None, None, None], g[..., 1, None, None, None]
        y = torch.where(flipped == 1, x.flip(-1), x)
        return sum((turns == k) * y.rot90(k, (-2, -1)) for k in range(4))  # type: ignore[return-value]

    def haar_elements(self) -> Tensor:
        return torch.tensor([[float(k), float(f)] for f in range(2) for k in range(4)])


class Circle(GroupFamily):
    """SO(2) turning the plane of the two channels of every pixel, by an angle."""

    name: ClassVar[str] = "SO2"
    summary: ClassVar[str] = "rotations of two channels into each other"
    element_shape = (1,)  # type: ignore[assignment]

    def identity(self) -> Tensor:
        return torch.zeros(1)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return (g2 + g1) % (2 * math.pi)

    def inverse(self, g: Tensor) -> Tensor:
        return -g

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return 2 * math.pi * torch.rand(n, 1, generator=generator)

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        apart = (g1 - g2)[..., 0] % (2 * math.pi)
        return torch.minimum(apart, 2 * math.pi - apart)

    def log(self, g: Tensor) -> Tensor:
        return torch.remainder(g + math.pi, 2 * math.pi) - math.pi

    def exp(self, X: Tensor) -> Tensor:
        return X

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        return torch.zeros_like(X + Y)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        c, s = g.cos()[..., None, None], g.sin()[..., None, None]
        first, second = x[..., :1, :, :], x[..., 1:, :, :]
        return torch.cat([c * first - s * second, s * first + c * second], -3)

    def haar_elements(self) -> Tensor:
        return 2 * math.pi * torch.arange(8)[:, None] / 8


class Blurred(Turns):
    """Quarter turns of which only the inner pixels are kept: an action that is not exact."""

    inner: ClassVar[int] = 1

    def observed(self, x: Tensor) -> Tensor:
        kept = torch.zeros_like(x)
        k = self.inner
        kept[..., k:-k, k:-k] = x[..., k:-k, k:-k]
        return kept

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return super().act(g, self.observed(x))

    def interpolation_error(self, x: Tensor) -> Tensor:
        outside = (x - self.observed(x)).flatten(-3).square().sum(-1)
        return outside / x.flatten(-3).square().sum(-1)


class Partial(Blurred):
    """Quarter turns of the inner pixels, the outer ones staying where they are."""

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return Turns.act(self, g, self.observed(x)) + (x - self.observed(x))
