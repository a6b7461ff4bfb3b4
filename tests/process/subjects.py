"""Denoisers whose linear parts are known, and recordings of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from symdiff.diffusion import DDPM, Denoiser, Sampler
from symdiff.diffusion.denoisers import GaussianDenoiser, KernelMixtureDenoiser
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.trajectories import Trajectories, record

DOUBLE = torch.float64


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def rotation(d: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(draw(d, d, seed=seed))[0]


def recording(denoiser: Denoiser, n: int = 8, steps: int = 6, sampler: Sampler | None = None) -> Trajectories:
    return record(denoiser, sampler or DDPM(), steps, n, seed=3, device="cpu")


class Linear(Denoiser):
    """``x -> M_t x`` with a matrix for each time of the schedule."""

    def __init__(self, matrices: Tensor, pixels: tuple[int, int, int]) -> None:
        self.matrices = matrices
        super().__init__("linear", pixels, Schedule.linear(len(matrices)), "linear")

    def denoise(self, x: Tensor, t: Time) -> Tensor:
        return (x.flatten(1) @ self.matrices[int(t) - 1].to(x).T).reshape(x.shape)


class Separable(Denoiser):
    """The optimal denoiser of independent coordinates ``y = U^T x_0``, each of which is m_i or -m_i."""

    def __init__(self, basis: Tensor, sizes: Tensor, pixels: tuple[int, int, int]) -> None:
        self.basis, self.sizes = basis, sizes
        super().__init__("separable", pixels, Schedule.linear(), "separable")

    def denoise(self, x: Tensor, t: Time) -> Tensor:
        U, m = self.basis.to(x), self.sizes.to(x)
        gain = self.schedule.signal(t) / self.schedule.sigma(t) ** 2
        return ((m * torch.tanh(gain * m * (x.flatten(1) @ U))) @ U.T).reshape(x.shape)


def decaying_gaussian(shape: tuple[int, int, int], leading: int = 20) -> GaussianDenoiser:
    """A few directions of much variance in a random basis, and a floor for the others."""
    d = math.prod(shape)
    values = torch.full((d,), 0.01, dtype=DOUBLE)
    values[:leading] += 3 * 0.75 ** torch.arange(leading, dtype=DOUBLE)
    basis = rotation(d)
    return GaussianDenoiser(draw(*shape, seed=1), (basis * values) @ basis.T)


def torus_gaussian(size: int) -> GaussianDenoiser:
    """Stationary on a torus: the covariance of two pixels depends on their difference only, modulo the size."""
    angle = 2 * math.pi * torch.arange(size, dtype=DOUBLE) / size
    kernel = torch.exp(2 * angle.cos()[:, None] + angle.cos() + 0.5 * (angle[:, None] + angle).cos())
    covariance = torch.stack(
        [kernel.roll((row, column), (0, 1)).flatten() for row in range(size) for column in range(size)]
    )
    return GaussianDenoiser(torch.zeros(1, size, size), covariance / covariance[0, 0])


def quarter_turn_mixture(size: int = 4) -> KernelMixtureDenoiser:
    """Points in every one of their four orientations."""
    points = draw(3, 1, size, size, seed=5)
    return KernelMixtureDenoiser(torch.cat([points.rot90(turns, (2, 3)) for turns in range(4)]), 0.2)
