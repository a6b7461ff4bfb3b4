"""Closed-form affine models on a small Gaussian recording: representations whose structure is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from symdiff.diagnostics import Evaluation
from symdiff.diffusion import DDPM
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.trajectories import Trajectories, record
from symdiff_affine.closed_form import exact_model
from symdiff_affine.family import AffineFamily

SHAPE = (1, 3, 3)


class Dense(Representation):
    """Another rho in another basis, as one dense block that was trained."""

    form = "lie"

    def __init__(self, rho: Representation, basis: Tensor) -> None:
        super().__init__()
        self.block_sizes, self.rho, self.basis = (rho.dimension,), rho, basis

    def blocks(self, g: Tensor) -> list[Tensor]:
        return [(self.basis @ self.rho(g) @ torch.linalg.inv(self.basis)).unsqueeze(-3)]


class Then(nn.Module):
    """One module, then a matrix on its output or input."""

    def __init__(self, module: nn.Module, before: Tensor | None = None, after: Tensor | None = None) -> None:
        super().__init__()
        self.module, self.before, self.after = module, before, after

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.before is None else x @ self.before.T
        x = self.module(x)
        return x if self.after is None else x @ self.after.T


@pytest.fixture(scope="session")
def recording() -> Trajectories:
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(9, 9, generator=generator, dtype=torch.float64))
    variances = torch.logspace(0.3, -1.0, 9, dtype=torch.float64)
    mean = torch.randn(SHAPE, generator=generator, dtype=torch.float64) / 4
    denoiser = GaussianDenoiser(mean, basis * variances @ basis.T)
    held = record(denoiser, DDPM(), steps=24, trajectories=40, seed=0, device="cpu")
    states, denoised = held.states.double(), held.denoised.double()
    return Trajectories(**{**held.__dict__, "states": states, "denoised": denoised})


@pytest.fixture(scope="session")
def family() -> AffineFamily:
    return AffineFamily(SHAPE, AffineFamily.Options())


@pytest.fixture(scope="session")
def exact(recording: Trajectories, family: AffineFamily) -> Callable[..., HAE]:
    """The closed form with blocks of the sizes given, in float64."""
    sequences = family.sequences(recording, 3, 400, torch.Generator().manual_seed(5)).to("cpu", torch.float32)

    def make(*sizes: int) -> HAE:
        return exact_model(sequences, sizes, SHAPE, 4).double().eval()

    return make


@pytest.fixture(scope="session")
def dense() -> Callable[[HAE], HAE]:
    """The same model in a random basis of its latents, its rho one dense block."""

    def make(model: HAE) -> HAE:
        m = model.representation.dimension
        generator = torch.Generator().manual_seed(7)
        basis = torch.eye(m, dtype=torch.float64) + torch.randn(m, m, dtype=torch.float64, generator=generator) / m
        rho = Dense(model.representation, basis)
        return HAE(Then(model.encoder, after=basis), rho, Then(model.decoder, before=torch.linalg.inv(basis)))

    return make


@pytest.fixture(scope="session")
def judged(recording: Trajectories, family: AffineFamily) -> Callable[[HAE], Evaluation]:
    """The held-out data a model is judged on."""
    sequences = family.sequences(recording, 6, 100, torch.Generator().manual_seed(1))

    def make(model: HAE) -> Evaluation:
        return Evaluation(family, model, recording, sequences, sequences.actions[:32, 0], model)

    return make
