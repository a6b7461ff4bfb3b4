"""The settings the published autoencoder was timed at, as models of ours and of modules in a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.measure import device
from symdiff.groups import FamilyOptions
from symdiff.hae import HAE
from symdiff.objective import Objective, Recipe, Weight, published_objective
from symdiff.perceptron import Perceptron
from symdiff.representations import MLPRepresentation
from symdiff.static_step import StaticStep, recorder_of
from symdiff.training import descend, make_optimiser
from symdiff.trajectories import Sequences


@dataclass(frozen=True)
class Setting:
    """One configuration.

    Attributes
    ----------
    shape
        Of an observation.
    blocks, steps, batch
        Sizes of the blocks, N, sequences.
    penalty
        Whether the homomorphism penalty is part of the loss.
    authors
        CPU milliseconds a step in the authors' code, measured elsewhere; only its own ratios compare.
    """

    shape: tuple[int, int, int] = (1, 1, 64)
    blocks: tuple[int, ...] = (2, 2)
    steps: int = 2
    batch: int = 256
    penalty: bool = False
    authors: float | None = None

    @property
    def latent(self) -> int:
        """Latent dimension m."""
        return sum(self.blocks)


HIDDEN = 128
ACTION = 2

SETTINGS = {
    "A": Setting(authors=15.7),
    "A, N = 5": Setting(steps=5, authors=34.7),
    "A, blocks 2,2,2,2": Setting(blocks=(2,) * 4, authors=27.4),
    "A, dense 8x8, penalty": Setting(blocks=(8,), penalty=True, authors=30.1),
    "A, sixteen 2x2": Setting(blocks=(2,) * 16),
    "64x64 images, CNN, batch 64": Setting(shape=(3, 64, 64), batch=64, authors=503.0),
}


def model(setting: Setting, seed: int = 0) -> HAE:
    """Encoder and decoder 128-128 (images: four strided convolutions), a network 128-128 for every block."""
    torch.manual_seed(seed)
    rho = MLPRepresentation(
        lambda g: g, ACTION, setting.blocks, HIDDEN, compose=torch.add if setting.penalty else None, separate=True
    )
    encoder, decoder = _convolutional(setting) if setting.shape[1] > 1 else _perceptrons(setting)
    return HAE(encoder, rho, decoder)


def batch(setting: Setting, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Observations ``[n, N+1, C, H, W]`` and actions ``[n, N, 2]``."""
    generator = torch.Generator().manual_seed(seed)
    observations = torch.randn(setting.batch, setting.steps + 1, *setting.shape, generator=generator)
    return observations, torch.randn(setting.batch, setting.steps, ACTION, generator=generator)


def sequences(observations: Tensor, actions: Tensor) -> Sequences:
    """Observations and actions as a batch of training, on the device that is timed."""
    n, steps = actions.shape[:2]
    return Sequences(observations, actions, torch.zeros(n, steps + 1, dtype=torch.long), torch.arange(n)).to(device())


def stepper(hae: HAE, data: Sequences, plain: bool, penalty: float = 0.0) -> Callable[[], Objective]:
    """A step of training on one batch, as training takes it on the device that is timed, or the plain one."""
    options, recipe, rate = FamilyOptions(), Recipe(), 1e-4
    optimiser = make_optimiser(hae, rate, recipe, plain)

    def take(given: Sequences, penalty: Weight, decoding: bool) -> Objective:
        terms = published_objective(options, hae, given, penalty, decoding, plain=plain)
        descend(hae, optimiser, terms, recipe.clip_norm, plain)
        return terms

    if plain or device() == "cpu":
        return lambda: take(data, penalty, True)
    step = StaticStep(take, hae, optimiser, recorder_of(torch.device(device())), "benchmark")
    return lambda: step(data, rate, penalty)


def _perceptrons(setting: Setting) -> tuple[nn.Module, nn.Module]:
    pixels, m = setting.shape[-1], setting.latent
    encoder = nn.Sequential(nn.Flatten(-3), Perceptron(pixels, HIDDEN, HIDDEN, m, activation="relu"))
    decoder = nn.Sequential(Perceptron(m, HIDDEN, HIDDEN, pixels, activation="relu"), nn.Unflatten(-1, setting.shape))
    return encoder, decoder


class _OverSequences(nn.Module):
    """Convolutions know one batch dimension; observations of a sequence and of a batch are one to them."""

    def __init__(self, network: nn.Module, inner: int) -> None:
        super().__init__()
        self.network = network
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[: x.dim() - self.inner]
        result: Tensor = self.network(x.flatten(0, len(batch) - 1)).unflatten(0, batch)
        return result


def _convolutional(setting: Setting) -> tuple[nn.Module, nn.Module]:
    channels, m, width = setting.shape[0], setting.latent, setting.shape[1] // 16
    sizes = (channels, 32, 32, 64, 64)
    down: list[nn.Module] = []
    up: list[nn.Module] = [nn.Linear(m, 64 * width**2), nn.ReLU(), nn.Unflatten(-1, (64, width, width))]
    for inputs, outputs in pairwise(sizes):
        down += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.ReLU()]
    for inputs, outputs in zip(sizes[:0:-1], sizes[-2::-1], strict=True):
        up += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.ReLU()]
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(64 * width**2, m))
    return _OverSequences(encoder, 3), _OverSequences(nn.Sequential(*up[:-1]), 1)
