"""Two small families to try things on: translations of images, and one circle turning pairs of pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symdiff.errors import ConfigError
from symdiff.groups import GroupFamily
from symdiff.representations import Representation


class Characters(Representation):
    """Real characters of ``Z_H x Z_W`` side by side: rotations by ``2 pi (k dy/H + l dx/W)``.

    Parameters
    ----------
    sides
        ``(H, W)``.
    latent
        m, twice the number of characters; frequencies (k, l) are taken row by row, beginning with (0, 1).
    """

    form = "exact"

    def __init__(self, sides: tuple[int, int], latent: int) -> None:
        super().__init__()
        count, (height, width) = latent // 2, sides
        which = torch.arange(1, count + 1)
        self.block_sizes = (2,) * count
        self.frequencies: Tensor
        frequencies = torch.stack([(which // width) % height, which % width])
        self.register_buffer("frequencies", frequencies.float())
        self.sides = sides

    def blocks(self, g: Tensor) -> list[Tensor]:
        """Rotations ``[..., m/2, 2, 2]``."""
        turns = g.to(self.frequencies) / self.frequencies.new_tensor(self.sides)
        angle = 2 * math.pi * turns @ self.frequencies
        cos, sin = angle.cos(), angle.sin()
        return [torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))]


class CyclicTranslations(GroupFamily):
    """``Z_H x Z_W``: images shifted by whole pixels, coming back in on the other side.

    The element ``(dy, dx)`` shifts down and to the right.
    """

    name = "translations"
    summary = "Z_H x Z_W: cyclic translations of the image"
    element_shape = (2,)

    @property
    def sides(self) -> tuple[int, int]:
        """``(H, W)``."""
        return self.observation_shape[1:]

    def identity(self) -> Tensor:
        """``(0, 0)``."""
        return torch.zeros(2)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The sum, modulo the sides."""
        return self._wrapped(g2 + g1)

    def inverse(self, g: Tensor) -> Tensor:
        """The opposite shift."""
        return self._wrapped(-g)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Uniform."""
        shifts = [torch.randint(side, (n,), generator=generator) for side in self.sides]
        return torch.stack(shifts, dim=-1).to(torch.get_default_dtype())

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """The length of the shortest way around the torus."""
        apart = self._wrapped(g1 - g2)
        apart = torch.minimum(apart, apart.new_tensor(self.sides) - apart)
        return apart.square().sum(-1).sqrt()

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """``(g x)[i, j] = x[i - dy, j - dx]``."""
        x = x.expand(*torch.broadcast_shapes(g.shape[:-1], x.shape[:-3]), *x.shape[-3:])
        g = g.expand(*x.shape[:-3], 2).long()
        rows, columns = (
            (torch.arange(side, device=g.device) - g[..., i, None]) % side for i, side in enumerate(self.sides)
        )
        x = x.take_along_dim(rows[..., None, :, None], dim=-2)
        return x.take_along_dim(columns[..., None, None, :], dim=-1)

    def features(self, g: Tensor) -> Tensor:
        """Cosine and sine of the angles."""
        angle = 2 * math.pi * g / g.new_tensor(self.sides)
        return torch.cat([angle.cos(), angle.sin()], dim=-1)

    def haar_elements(self) -> Tensor:
        """All shifts."""
        height, width = self.sides
        return torch.cartesian_prod(torch.arange(height), torch.arange(width)).to(torch.get_default_dtype())

    def factors(self) -> dict[str, Tensor]:
        """Shifts down, and shifts to the right."""
        along = [torch.arange(side).to(torch.get_default_dtype()) for side in self.sides]
        zeros = [torch.zeros_like(steps) for steps in along]
        return {"down": torch.stack([along[0], zeros[0]], -1), "right": torch.stack([zeros[1], along[1]], -1)}

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        """The constant part of every channel, and the rest."""
        constant = x.mean((-2, -1), keepdim=True).expand_as(x)
        return {"constant": constant, "rest": x - constant}

    def latent_dimension(self, requested: int | None) -> int:
        """8 by default; an even number."""
        latent = 8 if requested is None else requested
        if latent % 2:
            raise ConfigError(f"characters of translations come in pairs, --latent is {latent}", "choose an even one")
        return latent

    def representation(self, latent: int) -> Representation:
        """Characters."""
        return Characters(self.sides, latent)

    def _wrapped(self, g: Tensor) -> Tensor:
        return g % g.new_tensor(self.sides)


class PixelRotations(GroupFamily):
    """SO(2): pixels 2i and 2i+1 of the flattened image are turned by one angle.

    The element ``(cos, sin)`` turns by its angle. The number of pixels has to be even.
    """

    name = "pixel-rotations"
    summary = "SO(2): every pair of neighbouring pixels turned by the same angle"
    element_shape = (2,)

    def identity(self) -> Tensor:
        """``(1, 0)``."""
        return torch.tensor([1.0, 0.0])

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The product of complex numbers."""
        (c2, s2), (c1, s1) = g2.unbind(-1), g1.unbind(-1)
        return torch.stack([c2 * c1 - s2 * s1, c2 * s1 + s2 * c1], dim=-1)

    def inverse(self, g: Tensor) -> Tensor:
        """The complex conjugate."""
        return torch.stack([g[..., 0], -g[..., 1]], dim=-1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Uniform angles."""
        return self.exp(2 * math.pi * torch.rand(n, 1, generator=generator))

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """The length of the chord."""
        return (g1 - g2).square().sum(-1).sqrt()

    def log(self, g: Tensor) -> Tensor:
        """The angle ``[..., 1]`` in (-pi, pi]."""
        return torch.atan2(g[..., 1:], g[..., :1])

    def exp(self, X: Tensor) -> Tensor:
        """``(cos, sin)`` of the angle ``[..., 1]``."""
        return torch.cat([X.cos(), X.sin()], dim=-1)

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """0: the group is abelian."""
        return torch.zeros_like(X + Y)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """Each pair of pixels turned by the angle of g."""
        first, second = x.flatten(-3).unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = g[..., :1], g[..., 1:]
        pairs = torch.stack([cos * first - sin * second, sin * first + cos * second], dim=-1)
        turned: Tensor = pairs.flatten(-2).unflatten(-1, x.shape[-3:])
        return turned

    def haar_elements(self) -> Tensor:
        """Three thirds of a turn: enough for an action that turns once."""
        return self.exp(2 * math.pi * torch.arange(3)[:, None] / 3)

    def isotypic_components(self, x: Tensor) -> dict[str, Tensor]:
        """All of it turns once."""
        return {"turning once": x}
