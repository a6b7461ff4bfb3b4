"""S_3 permuting red, green and blue."""

from itertools import permutations

import torch

from symdiff import GroupFamily, Representation
from symdiff_colours.channels import split_grey, three_channels

STANDARD = torch.tensor([[2.0, -1.0, -1.0], [0.0, 3**0.5, -(3**0.5)]], dtype=torch.float64) / 6**0.5
"""Orthonormal rows spanning the plane of colours without grey: the standard representation of S_3."""


class PermutedPlanes(Representation):
    """The standard representation on planes, after the trivial one on lines: ``[m/3 lines, m/3 planes]``."""

    form = "exact"

    def __init__(self, copies):
        super().__init__()
        self.copies = copies
        self.block_sizes = (1,) * copies + (2,) * copies
        self.register_buffer("rows", STANDARD.float())

    def blocks(self, g):
        """``1`` and ``B P_g B^T`` with the rows B of the plane and the permutation matrix P_g."""
        matrix = (g[..., None, :] == torch.arange(3, device=g.device)[:, None]).to(self.rows)
        plane = self.rows @ matrix @ self.rows.mT
        line = torch.ones_like(plane[..., :1, :1])
        return [part.unsqueeze(-3).expand(*g.shape[:-1], self.copies, -1, -1) for part in (line, plane)]


class ChannelPermutations(GroupFamily):
    """The element ``(g(0), g(1), g(2))`` puts channel i in place g(i)."""

    name = "colour-permutations"
    summary = "S_3: permutations of the three colour channels"
    element_shape = (3,)
    example_shape = (3, 8, 8)

    @property
    def title(self):
        """S_3."""
        return "the group S_3 of permutations of red, green and blue"

    def identity(self):
        """(0, 1, 2)."""
        return torch.arange(3).float()

    def compose(self, g2, g1):
        """``i -> g2(g1(i))``."""
        g2, g1 = torch.broadcast_tensors(g2, g1)
        return g2.take_along_dim(g1.long(), -1)

    def inverse(self, g):
        """The permutation that sorts g."""
        return g.argsort(-1).to(g)

    def sample(self, n, generator=None):
        """Uniform."""
        return self.haar_elements()[torch.randint(6, (n,), generator=generator)]

    def distance(self, g1, g2):
        """How many channels go to different places, a metric (Hamming)."""
        return (g1 != g2).sum(-1).to(g1)

    def act(self, g, x):
        """``(g x)[g(i)] = x[i]``; images of another number of channels are refused."""
        three_channels(x.shape[-3:], self.name)
        x = x.expand(*torch.broadcast_shapes(g.shape[:-1], x.shape[:-3]), *x.shape[-3:])
        places = self.inverse(g).expand(*x.shape[:-3], 3).long()
        return x.take_along_dim(places[..., None, None], -3)

    def features(self, g):
        """The permutation matrix."""
        return (g[..., None] == torch.arange(3).to(g)).to(g).flatten(-2)

    def haar_elements(self):
        """All six."""
        return torch.tensor(list(permutations(range(3)))).to(torch.get_default_dtype())

    def isotypic_components(self, x):
        """Grey is the trivial representation, the rest the standard one; the sign does not occur."""
        grey, colour = split_grey(x)
        return {"grey (trivial)": grey, "colour (standard)": colour}

    def element_name(self, g):
        """Where red, green and blue go."""
        return "RGB -> " + "".join("RGB"[int(i)] for i in self.inverse(g))

    def latent_dimension(self, requested):
        """24 by default; a multiple of 3, and of images of 3 channels."""
        three_channels(self.observation_shape, self.name)
        return 24 if requested is None else requested

    def representation(self, latent):
        """A line and a plane for every 3 dimensions; a learned rho for other numbers."""
        return PermutedPlanes(latent // 3) if latent % 3 == 0 else super().representation(latent)

    def block_sizes(self, latent):
        """Lines, then planes."""
        return PermutedPlanes(latent // 3).block_sizes if latent % 3 == 0 else super().block_sizes(latent)

    def initialise(self, model, sequences):
        """Principal components of grey and of colour, taken apart, so that the start is equivariant."""
        from symdiff_colours.start import start

        if isinstance(model.representation, PermutedPlanes):
            start(model, sequences, STANDARD)
        else:
            super().initialise(model, sequences)
