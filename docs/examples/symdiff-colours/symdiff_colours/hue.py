"""SO(2) turning hues: rotations of colour space about the grey axis."""

import math

import torch

from symdiff import GroupFamily, Representation
from symdiff_colours.channels import split_grey, three_channels
from symdiff_colours.permutations import STANDARD


class TurnedPlanes(Representation):
    """Planes turned by the angle of g, after lines that stay."""

    form = "exact"

    def __init__(self, copies):
        super().__init__()
        self.copies = copies
        self.block_sizes = (1,) * copies + (2,) * copies

    def blocks(self, g):
        """``1`` and the rotation of g."""
        cos, sin = g.unbind(-1)
        plane = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
        line = torch.ones_like(plane[..., :1, :1])
        return [part.unsqueeze(-3).expand(*g.shape[:-1], self.copies, -1, -1) for part in (line, plane)]


class HueRotations(GroupFamily):
    """The element ``(cos, sin)`` turns every pixel's colour by its angle about the axis of greys.

    A third of a turn is the cyclic permutation of the channels. Turned images may leave the range of colours; nothing
    is cut off, so that the action stays linear.
    """

    name = "hue"
    summary = "SO(2): rotations of hue about the grey axis"
    element_shape = (2,)
    example_shape = (3, 8, 8)

    @property
    def title(self):
        """SO(2)."""
        return "the group SO(2) of rotations of hue"

    def identity(self):
        """(1, 0)."""
        return torch.tensor([1.0, 0.0])

    def compose(self, g2, g1):
        """The product of complex numbers."""
        (c2, s2), (c1, s1) = g2.unbind(-1), g1.unbind(-1)
        return torch.stack([c2 * c1 - s2 * s1, c2 * s1 + s2 * c1], -1)

    def inverse(self, g):
        """The complex conjugate."""
        return g * g.new_tensor([1.0, -1.0])

    def sample(self, n, generator=None):
        """Uniform angles."""
        return self.exp(2 * math.pi * torch.rand(n, 1, generator=generator))

    def distance(self, g1, g2):
        """The length of the chord."""
        return (g1 - g2).norm(dim=-1)

    def log(self, g):
        """The angle ``[..., 1]``."""
        return torch.atan2(g[..., 1:], g[..., :1])

    def exp(self, X):
        """``(cos, sin)``."""
        return torch.cat([X.cos(), X.sin()], -1)

    def bracket(self, X, Y):
        """0: the group is abelian."""
        return torch.zeros_like(X + Y)

    def act(self, g, x):
        """``grey + B^T R(g) B x`` with the rows B of the colour plane; other numbers of channels are refused."""
        three_channels(x.shape[-3:], self.name)
        plane = STANDARD.to(x)
        cos, sin = g.to(x).unbind(-1)
        turn = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
        matrix = plane.mT @ turn @ plane + 1 / 3
        return torch.einsum("...ij,...jhw->...ihw", matrix, x)

    def haar_elements(self):
        """Three thirds of a turn: enough for an action that turns once."""
        return self.exp(2 * math.pi * torch.arange(3)[:, None] / 3)

    def factors(self):
        """The circle itself."""
        return {"hue": self.exp(2 * math.pi * torch.arange(12)[:, None] / 12)}

    def isotypic_components(self, x):
        """Grey stays, the rest turns once."""
        grey, colour = split_grey(x)
        return {"grey (stays)": grey, "colour (turns once)": colour}

    def element_name(self, g):
        """The angle."""
        return f"{math.degrees(float(self.log(g))):.0f}°"

    def latent_dimension(self, requested):
        """24 by default; images have to have 3 channels."""
        three_channels(self.observation_shape, self.name)
        return 24 if requested is None else requested

    def representation(self, latent):
        """A line and a plane for every 3 dimensions; a rho learned through the algebra for other numbers."""
        return TurnedPlanes(latent // 3) if latent % 3 == 0 else super().representation(latent)

    def block_sizes(self, latent):
        """Lines, then planes."""
        return TurnedPlanes(latent // 3).block_sizes if latent % 3 == 0 else super().block_sizes(latent)

    def initialise(self, model, sequences):
        """As for permutations of channels."""
        from symdiff_colours.start import start

        if isinstance(model.representation, TurnedPlanes):
            start(model, sequences, STANDARD)
        else:
            super().initialise(model, sequences)
