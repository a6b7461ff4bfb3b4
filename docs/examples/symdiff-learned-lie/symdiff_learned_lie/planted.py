"""Processes whose steps are exponentials in a known Lie algebra: the truth that what is learned is held against."""

import math
from hashlib import sha256

import torch

from symdiff import Denoiser, Schedule

SHAPE = (1, 4, 4)

INSIDE, OUTSIDE = 1.0, 0.02
"""Variances of the data in the planted subspace and around it."""

SPEED = 0.5
"""Largest skew part of the estimate, relative to its gain."""


def rotation(r, i, j):
    """The generator of rotations in the plane (i, j) of R^r."""
    matrix = torch.zeros(r, r, dtype=torch.float64)
    matrix[j, i], matrix[i, j] = 1, -1
    return matrix


ALGEBRAS = {
    "so2xso2": torch.stack([rotation(4, 0, 1), rotation(4, 2, 3)]),
    "so3": torch.stack([rotation(3, 1, 2), rotation(3, 2, 0), rotation(3, 0, 1)]),
}
"""Generators ``[K, r, r]`` by name."""


def frame(pixels, r, seed=0):
    """Orthonormal rows ``[r, d]`` in general position: the subspace in which the algebra acts."""
    normal = torch.randn(pixels, r, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(normal).Q.mT


class Planted(Denoiser):
    """``x0hat = g_t (1 + sum_k w_k(t) S_k) x`` in a subspace of R^d, and an isotropic gain around it.

    g is the gain ``A l/(A^2 l + sigma^2)`` of normal data. A deterministic step ``P x + Q x0hat`` is then a scale times
    ``1 + sum_k c_k S_k`` in the subspace. Its logarithm is skew, and in the span of the S_k, to first order in c; the
    second order is symmetric, as ``1 + c S`` lengthens what it turns. It is the optimal denoiser of no data: its
    Jacobian is not symmetric, like those of small trained networks.

    Parameters
    ----------
    algebra
        ``so2xso2`` in R^4 or ``so3`` in R^3.
    shape
        ``(C, H, W)``.
    speed
        Of the rotations; 0 leaves a process without any.
    """

    def __init__(self, algebra, shape=SHAPE, speed=SPEED):
        digest = sha256(f"planted {algebra} {shape} {speed} {INSIDE} {OUTSIDE}".encode()).hexdigest()
        super().__init__(f"planted-{algebra}", shape, Schedule.linear(), digest)
        self.speed = speed
        self.algebra = ALGEBRAS[algebra]
        self.frame = frame(math.prod(shape), self.algebra.shape[-1])

    @property
    def in_pixels(self):
        """The planted generators as they act on flattened images ``[K, d, d]``."""
        return self.frame.mT @ self.algebra @ self.frame

    def speeds(self, t):
        """``w_k(t)``: cosines of different frequencies, so that every generator has a course of its own."""
        k = torch.arange(len(self.algebra), dtype=torch.float64)
        return self.speed * torch.cos(2 * math.pi * (k + 0.5) * t / self.schedule.T + 2 * k)

    def denoise(self, x, t):
        """The estimate at time t."""
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        inside, outside = (signal * v / (signal**2 * v + sigma**2) for v in (INSIDE, OUTSIDE))
        rows = self.frame.to(x)
        # At t = 0 the state itself is the estimate.
        turn = (1 - signal**2) ** 0.5 * torch.einsum("k,kij->ij", self.speeds(t), self.algebra).to(x)
        flat = x.flatten(1)
        y = flat @ rows.mT
        return (outside * flat + ((inside - outside) * y + inside * y @ turn.mT) @ rows).view_as(x)
