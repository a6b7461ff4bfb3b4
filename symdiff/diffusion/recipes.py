"""What each embedded network is made from: data, network, schedule and settings of its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from symdiff.diffusion import datasets
from symdiff.diffusion.denoisers.network import DIGITS_WEIGHTS, MNIST_WEIGHTS
from symdiff.diffusion.denoisers.unet import UNetConfig
from symdiff.diffusion.elbo import BYTES_HALF_BIN, DIGITS_HALF_BIN


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run; the defaults made the embedded digits."""

    steps: int = 6000
    batch: int = 128
    peak_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 1e-2
    average: float = 0.999
    dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """One embedded network.

    Attributes
    ----------
    weights
        File that ships.
    command
        Makes the file again.
    data, labels
        Functions without arguments: training and held-out images ``[n, 1, h, w]``, and which digit each is ``[n]``.
    half_bin
        Half the spacing of the grey levels.
    network
        Sizes; the dropout is that of `training`.
    training
        Settings.
    """

    weights: Path
    command: str
    data: Callable[[], tuple[Tensor, Tensor]]
    labels: Callable[[], tuple[Tensor, Tensor]]
    half_bin: float
    network: UNetConfig
    training: TrainingConfig


RECIPES = {
    "digits": Recipe(
        weights=DIGITS_WEIGHTS,
        command="python -m symdiff.diffusion.digits",
        data=datasets.digits,
        labels=datasets.digits_labels,
        half_bin=DIGITS_HALF_BIN,
        network=UNetConfig(),
        training=TrainingConfig(),
    ),
    "mnist": Recipe(
        weights=MNIST_WEIGHTS,
        command="python -m symdiff.diffusion.train mnist",
        data=datasets.mnist,
        labels=datasets.mnist_labels,
        half_bin=BYTES_HALF_BIN,
        network=UNetConfig(size=28, patch=2, depth=2),
        training=TrainingConfig(steps=9000, batch=48, peak_rate=2.5e-3, dropout=0.05),
    ),
}
"""The embedded networks by name."""
