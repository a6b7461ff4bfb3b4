"""The settings the published autoencoder was timed at, as models of ours and of modules in a loop."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from symdiff.hae import HAE
from symdiff.perceptron import Perceptron
from symdiff.representations import MLPRepresentation


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
