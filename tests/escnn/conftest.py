"""Groups, a recording and small models."""

from __future__ import annotations

import pytest
import torch

from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import load_denoiser
from symdiff.trajectories import Trajectories, record


@pytest.fixture(scope="session")
def recording() -> Trajectories:
    return record(load_denoiser("gaussian"), DDPM(), 12, 60, seed=3, device="cpu")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
