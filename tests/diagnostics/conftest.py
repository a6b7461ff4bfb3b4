"""Affine toy subjects whose every figure is known: a recording of Gaussian data, encoders and representations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from symdiff.diagnostics import Evaluation
from symdiff.diffusion import DDIM, DDPM, affine
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.trajectories import Sequences, Trajectories, cut, record

SHAPE = (1, 3, 3)
PIXELS = 9
DOUBLE = torch.float64


class ToyOptions(FamilyOptions):
    gauge: str = "v"


class ToyAffine(GroupFamily):
    """The affine group on small images; its actions are the recorded steps."""

    name = "toy"
    summary = "affine steps of a recording"
    Options = ToyOptions

    @property
    def element_shape(self) -> tuple[int, ...]:
        return (1 + torch.Size(self.observation_shape).numel(),)

    def identity(self) -> Tensor:
        return affine.identity(self.element_shape[0] - 1, dtype=DOUBLE)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return affine.compose(g2, g1)

    def inverse(self, g: Tensor) -> Tensor:
        return affine.inverse(g)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        scale = 0.5 + torch.rand(n, 1, dtype=DOUBLE, generator=generator)
        shift = torch.randn(n, self.element_shape[0] - 1, dtype=DOUBLE, generator=generator)
        return torch.cat([scale, shift], dim=1)

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        return (g1 - g2).norm(dim=-1)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        return affine.act(g, x)

    def log(self, g: Tensor) -> Tensor:
        return affine.log(g)

    def exp(self, X: Tensor) -> Tensor:
        return affine.exp(X)

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        return affine.bracket(X, Y)

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        a = trajectories.gauges[self.options.gauge]
        windows = cut(trajectories, length, n, generator, usable=a != 0)
        states = windows.observations.double()
        scale = a[windows.times[:, :-1]]
        shift = states[:, 1:].flatten(2) - scale[..., None] * states[:, :-1].flatten(2)
        return Sequences(states, torch.cat([scale[..., None], shift], dim=-1), windows.times, windows.trajectory)


class Given(Representation):
    """The representation a test writes down: `matrix(g)`, dense."""

    form = "exact"

    def __init__(self, dimension: int, matrix: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.block_sizes, self.matrix = (dimension,), matrix

    def blocks(self, g: Tensor) -> list[Tensor]:
        return [self.matrix(g).unsqueeze(-3)]


class Linear(nn.Module):
    """``x -> (U x, 1) M`` on flattened images, the encoder of the exact form up to a change of basis M."""

    def __init__(self, rows: Tensor, change: Tensor) -> None:
        super().__init__()
        self.rows, self.change = rows, change

    def forward(self, x: Tensor) -> Tensor:
        coordinates = x.flatten(-3) @ self.rows.T
        return torch.cat([coordinates, torch.ones_like(coordinates[..., :1])], dim=-1) @ self.change.T


class Unlinear(nn.Module):
    """The decoder of `Linear`: back to ``U^T (U x - U mean) + mean``."""

    def __init__(self, rows: Tensor, change: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.rows, self.inverse, self.mean = rows, torch.linalg.inv(change), mean

    def forward(self, z: Tensor) -> Tensor:
        coordinates = (z @ self.inverse.T)[..., :-1]
        flat = self.mean + (coordinates - self.rows @ self.mean) @ self.rows
        return flat.unflatten(-1, SHAPE)


def augmented(g: Tensor, rows: Tensor) -> Tensor:
    """``[[a I, U v], [0, 1]]``."""
    k = len(rows)
    matrix = torch.zeros(*g.shape[:-1], k + 1, k + 1, dtype=g.dtype)
    matrix[..., :k, :k] = g[..., :1, None] * torch.eye(k, dtype=g.dtype)
    matrix[..., :k, k] = g[..., 1:] @ rows.T
    matrix[..., k, k] = 1
    return matrix


@dataclass(frozen=True)
class Toy:
    """A held-out recording and how to judge models on it."""

    family: ToyAffine
    trajectories: Trajectories
    sequences: Sequences
    elements: Tensor
    rows: Tensor
    mean: Tensor

    @property
    def m(self) -> int:
        return len(self.rows) + 1

    def model(self, matrix: Callable[[Tensor], Tensor] | None = None, change: Tensor | None = None) -> HAE:
        """The linear autoencoder with the exact form, or with `matrix` (in the exact form's basis) in its place."""
        basis = torch.eye(self.m, dtype=DOUBLE) if change is None else change
        inverse = torch.linalg.inv(basis)
        rho = matrix or (lambda g: augmented(g, self.rows))
        return HAE(
            Linear(self.rows, basis),
            Given(self.m, lambda g: basis @ rho(g) @ inverse),
            Unlinear(self.rows, basis, self.mean),
        )

    def evaluation(self, model: HAE | None = None, **settings: object) -> Evaluation:
        return Evaluation(
            **{
                "family": self.family,
                "model": model or self.model(),
                "trajectories": self.trajectories,
                "sequences": self.sequences,
                "elements": self.elements,
                "untrained": self.untrained(),
                "bootstrap": 200,
                **settings,
            }
        )

    def untrained(self) -> HAE:
        """A random linear encoder whose rho does almost nothing."""
        generator = torch.Generator().manual_seed(9)
        change = torch.randn(self.m, self.m, dtype=DOUBLE, generator=generator)
        noise = torch.randn(self.m, self.m, dtype=DOUBLE, generator=generator) / 100
        return self.model(lambda g: torch.linalg.matrix_exp(g[..., :1, None] * noise), change)


def toy_of(trajectories: Trajectories, components: int = 4) -> Toy:
    family = ToyAffine(SHAPE)
    sequences = family.sequences(trajectories, 10, 120, torch.Generator().manual_seed(1))
    whole = family.sequences(trajectories, 4, 400, torch.Generator().manual_seed(2))
    # Four consecutive steps of each of eight trajectories.
    chosen = [int(torch.nonzero(whole.trajectory == i).flatten()[0]) for i in range(8)]
    flat = trajectories.states.double().flatten(2).flatten(0, 1)
    mean = flat.mean(0)
    rows = torch.linalg.svd(flat - mean, full_matrices=False).Vh[:components]
    elements = whole.actions[chosen].flatten(0, 1)
    return Toy(family, trajectories, sequences, elements, rows, mean)


@pytest.fixture(scope="session")
def denoiser() -> GaussianDenoiser:
    """Gaussian data in 9 dimensions, variances 2 ... 0.02 in a random basis."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(PIXELS, PIXELS, generator=generator, dtype=DOUBLE))
    variances = torch.logspace(0.3, -1.7, PIXELS, dtype=DOUBLE)
    mean = torch.randn(SHAPE, generator=generator, dtype=DOUBLE) / 4
    return GaussianDenoiser(mean, basis * variances @ basis.T)


@pytest.fixture(scope="session")
def recording(denoiser: GaussianDenoiser) -> Trajectories:
    return record(denoiser, DDPM(), steps=40, trajectories=300, seed=0, device="cpu")


@pytest.fixture(scope="session")
def deterministic(denoiser: GaussianDenoiser) -> Trajectories:
    return record(denoiser, DDIM(), steps=10, trajectories=120, seed=0, device="cpu")


@pytest.fixture(scope="session")
def toy(recording: Trajectories) -> Toy:
    """Sixty held-out trajectories, and the exact linear form with four principal components."""
    return toy_of(recording.select(slice(0, 60)))


@pytest.fixture(scope="session")
def given() -> type[Given]:
    return Given
