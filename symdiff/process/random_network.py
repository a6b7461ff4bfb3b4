"""A network of random weights: what the equivariance of a model that learned nothing is."""

from __future__ import annotations

import math

import torch

from symdiff.diffusion import Denoiser
from symdiff.diffusion.denoisers.network import NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig

PLACES = 16
"""Most places a side at full resolution: larger images are cut into patches."""


def random_network(denoiser: Denoiser, seed: int = 0) -> NetworkDenoiser | None:
    """The embedded architecture for the images and the schedule of a model, with random weights.

    Every weight is drawn, those too that training starts at zero: with these at zero the network predicts nothing,
    x0hat is a multiple of the state, and that commutes with everything. ``None`` for images that the architecture does
    not take: several channels, not square, or of a side that no patch divides into an even number of places.
    """
    config = _config(denoiser)
    if config is None:
        return None
    network = UNet(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if name == "position":
                parameter.copy_(drawn)
            elif parameter.ndim > 1:
                parameter.copy_(drawn / math.sqrt(parameter[0].numel()))
    return NetworkDenoiser(network, denoiser.schedule, "random network")


def _config(denoiser: Denoiser) -> UNetConfig | None:
    if isinstance(denoiser, NetworkDenoiser):
        return denoiser.network.config
    channels, height, width = denoiser.shape
    if channels != 1 or height != width:
        return None
    patches = [p for p in range(1, height // 2 + 1) if height % (2 * p) == 0 and height // p <= PLACES]
    return UNetConfig(size=height, patch=patches[0]) if patches else None
