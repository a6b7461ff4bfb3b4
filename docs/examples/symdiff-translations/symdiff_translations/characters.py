"""The real characters of ``Z_H x Z_W``, and the Fourier coefficients they act on.

The complex characters are ``chi_k(g) = exp(2 pi i (k_1 dy/H + k_2 dx/W))``. Over the reals those of k and -k are one
rotation of the plane; where k = -k, as for the constant image, what is left is a sign.
"""

import math

import torch

from symdiff import Representation


def frequencies(sides):
    """One frequency ``(k, l)`` of each pair k, -k, smallest ``|k|`` first, with the dimension of its character."""
    height, width = sides
    found = {}
    for k in range(-(height // 2), height - height // 2):
        for l in range(-(width // 2), width - width // 2):  # noqa: E741 the letter of the formula
            pair = {(k % height, l % width), (-k % height, -l % width)}
            found.setdefault(min(pair), (k * k + l * l, abs(k), len(pair)))
    return [(pair, dimension) for pair, (*_, dimension) in sorted(found.items(), key=lambda item: (item[1], item[0]))]


def chosen(sides, channels, latent):
    """The frequencies of a latent space of `latent` dimensions, once a channel; ``None`` if none add up to it."""
    kept, left = [], latent
    for pair, dimension in frequencies(sides):
        copies = min(channels, left // dimension)
        kept += [(pair, dimension)] * copies
        left -= copies * dimension
    return kept if left == 0 else None


class Characters(Representation):
    """Characters side by side: ``rho(g)`` is a rotation by ``2 pi (k dy/H + l dx/W)``, or its sign where k = -k.

    Parameters
    ----------
    sides
        ``(H, W)``.
    kept
        ``[((k, l), dimension), ...]``.
    """

    form = "exact"

    def __init__(self, sides, kept):
        super().__init__()
        self.sides = sides
        self.block_sizes = tuple(dimension for _, dimension in kept)
        self.register_buffer("frequencies", torch.tensor([pair for pair, _ in kept]).float())

    def blocks(self, g):
        """Neighbouring characters of one dimension as one tensor ``[..., count, b, b]``."""
        angle = 2 * math.pi * (g.to(self.frequencies) / self.frequencies.new_tensor(self.sides)) @ self.frequencies.mT
        cos, sin = angle.cos(), angle.sin()
        plane = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
        line = cos[..., None, None]
        found, start = [], 0
        for stop in range(1, len(self.block_sizes) + 1):
            size = self.block_sizes[start]
            if stop == len(self.block_sizes) or self.block_sizes[stop] != size:
                found.append((plane if size == 2 else line)[..., start:stop, :, :])
                start = stop
        return found


def fourier_rows(shape, kept):
    """Rows ``[m, C H W]`` of an encoder: the cosine and sine coefficients of every frequency in its channel.

    A shift of the image by (dy, dx) turns ``(c, s)`` by the angle ``2 pi (k dy/H + l dx/W)``. Rows are orthonormal.
    """
    channels, height, width = shape
    y, x = torch.arange(height), torch.arange(width)
    rows, copies = [], {}
    for (k, l), dimension in kept:  # noqa: E741
        channel = copies.get((k, l), 0)
        copies[k, l] = channel + 1
        phase = 2 * math.pi * (k * y[:, None] / height + l * x / width)
        for wave in [phase.cos(), phase.sin()][:dimension]:
            image = torch.zeros(channels, height, width)
            image[channel] = wave / wave.norm()
            rows.append(image.flatten())
    return torch.stack(rows)
