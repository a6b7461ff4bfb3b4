"""Networks of the family: convolutions, latents on a sphere, and a decoder of probabilities."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.errors import ConfigError

HALVINGS = 3
"""Most times that the sides of an image are halved."""

FIRST_GAIN = 3.0
"""The decoder's first layer starts larger than usual, so that it can tell neighbours on the latent sphere apart."""

MEAN = 0.2
"""What is subtracted from images in [0, 1]."""


def halvings(observation_shape: tuple[int, int, int]) -> int:
    """How often the sides of these images are halved: until one is at most 4, and three times at most.

    Raises
    ------
    ConfigError
        A side is odd, or at most 4, at the beginning.
    """
    _, height, width = observation_shape
    count = 0
    while count < HALVINGS and min(height, width) > 4 and height % 2 == 0 and width % 2 == 0:
        height, width, count = height // 2, width // 2, count + 1
    if not count:
        raise ConfigError(
            f"images of {height}x{width} cannot be halved, which the convolutions do", "give -o network=plain"
        )
    return count


class ConvEncoder(nn.Module):
    """Images ``[..., C, H, W]`` to latents ``[..., m]``, by convolutions of stride 2 and two dense layers.

    Padding is by zeros: nothing of a torus is built in.

    Parameters
    ----------
    observation_shape
        ``(C, H, W)``.
    latent
        m.
    channels, hidden
        Of the convolutions, and width of the dense layer.
    """

    def __init__(self, observation_shape: tuple[int, int, int], latent: int, channels: int, hidden: int) -> None:
        super().__init__()
        count, (inputs, height, width) = halvings(observation_shape), observation_shape
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [nn.Conv2d(inputs, channels, 4, 2, 1), nn.SiLU()]
            inputs = channels
        flat = channels * (height >> count) * (width >> count)
        self.network = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(flat, hidden), nn.SiLU(), nn.Linear(hidden, latent)
        )

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of the observations."""
        shape = observations.shape
        # Channels last is a third faster on a CPU.
        flat = (observations.reshape(-1, *shape[-3:]) - MEAN).to(memory_format=torch.channels_last)
        latents: Tensor = self.network(flat)
        return latents.reshape(*shape[:-3], -1)


class ConvDecoder(nn.Module):
    """Latents ``[..., m]`` to ``[..., C, H, W]``: three dense layers and transposed convolutions of stride 2.

    Parameters
    ----------
    latent, observation_shape, channels, hidden
        As for `ConvEncoder`; the layer before the last has twice the channels.
    """

    def __init__(self, latent: int, observation_shape: tuple[int, int, int], channels: int, hidden: int) -> None:
        super().__init__()
        count, (outputs, height, width) = halvings(observation_shape), observation_shape
        corner = (channels, height >> count, width >> count)
        first = nn.Linear(latent, hidden)
        with torch.no_grad():
            first.weight.mul_(FIRST_GAIN)
        layers: list[nn.Module] = []
        inputs = channels
        for i in range(count):
            wide = outputs if i == count - 1 else 2 * channels if i == count - 2 else channels
            layers += [nn.SiLU(), nn.ConvTranspose2d(inputs, wide, 4, 2, 1)]
            inputs = wide
        self.network = nn.Sequential(
            first, nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, math.prod(corner)),
            nn.Unflatten(1, corner), *layers,
        )  # fmt: skip

    def forward(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Observations of the latents, or the logits of their pixels."""
        images: Tensor = self.network(latents.reshape(-1, latents.shape[-1]))
        return images.reshape(*latents.shape[:-1], *images.shape[1:])


class OnSphere(nn.Module):
    """An encoder whose latents have norm 1, where an orthogonal rho leaves them.

    Parameters
    ----------
    network
        Any encoder.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of norm 1."""
        latents: Tensor = self.network(observations)
        on_sphere: Tensor = latents / latents.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return on_sphere


class Probabilities(nn.Module):
    """A decoder of probabilities; training sees their `logits`, all else the probabilities.

    Parameters
    ----------
    network
        A decoder whose values are taken as logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def logits(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Logits of the pixels."""
        logits: Tensor = self.network(latents)
        return logits

    def forward(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Probabilities of the pixels: their expected values."""
        return self.logits(latents).sigmoid()
