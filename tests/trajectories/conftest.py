"""Small models whose recordings take milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from symdiff.diffusion import DDPM, Denoiser, Schedule
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.trajectories import Trajectories, record

SHAPE = (1, 4, 4)


class Scripted(Denoiser):
    """A model that does what a test tells it to: `answer(x, t)`."""

    def __init__(self, answer: Callable[[Tensor, int], object], digest: str = "scripted") -> None:
        super().__init__("scripted", SHAPE, Schedule.linear(), digest)
        self.answer = answer

    def denoise(self, x: Tensor, t: int) -> Tensor:
        return self.answer(x, t)  # type: ignore[return-value]  # a broken model is among the subjects


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def gaussian() -> GaussianDenoiser:
    """Gaussian data in 16 dimensions, variances from 0.02 to 1, in a random orthogonal basis."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(16, 16, generator=generator, dtype=torch.float64))
    variances = torch.logspace(-1.7, 0, 16, dtype=torch.float64)
    mean = torch.randn(SHAPE, generator=generator, dtype=torch.float64) / 4
    return GaussianDenoiser(mean, basis * variances @ basis.T)


@pytest.fixture(scope="session")
def recording(gaussian: GaussianDenoiser) -> Trajectories:
    return record(gaussian, DDPM(), steps=7, trajectories=5, seed=3, device="cpu")
