"""Recordings of Gaussian data, whose every figure is known, and of digits."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.trajectories import Trajectories, record

PIXELS = 9
SHAPE = (1, 3, 3)


@pytest.fixture(scope="session")
def denoiser() -> GaussianDenoiser:
    """Gaussian data in 9 dimensions, variances 2 ... 0.02 in a random basis."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(PIXELS, PIXELS, generator=generator, dtype=torch.float64))
    variances = torch.logspace(0.3, -1.7, PIXELS, dtype=torch.float64)
    mean = torch.randn(SHAPE, generator=generator, dtype=torch.float64) / 4
    return GaussianDenoiser(mean, basis * variances @ basis.T)


@pytest.fixture(scope="session")
def recording(denoiser: GaussianDenoiser) -> Trajectories:
    return record(denoiser, DDPM(), steps=40, trajectories=300, seed=0, device="cpu")


@pytest.fixture(scope="session")
def deterministic(denoiser: GaussianDenoiser) -> Trajectories:
    return record(denoiser, DDIM(), steps=10, trajectories=120, seed=0, device="cpu")
