"""An encoder whose features start with mean 0 and variance 1, whatever share of the images they are about."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symdiff_actions.networks import MEAN, halvings

SMALLEST = 1e-4
"""Standard deviation below which a feature is not blown up."""

GAIN = 6.0
"""Standard deviation of the contrasts at the start; that of other features is 1, and there are many more of them."""


class StandardisedEncoder(nn.Module):
    """Images ``[..., C, H, W]`` to latents ``[..., m]``, by convolutions of stride 2 and two dense layers.

    The dense layers see the last convolution's values, and the contrasts of the first one: the standard deviations of
    its channels over all positions, which hardly depend on where something is shown but on what it looks like
    (statistics pooling: Snyder et al. 2018, "X-vectors"). Each is less its mean and over its standard deviation, so
    that features of a small share of the variance are as easily followed from the first step on as any other. Mean and
    deviation are those of the fresh network on a sample of observations and stay as they are (data-dependent
    initialisation: Krahenbuehl et al. 2016, arXiv:1511.06856).

    Without contrasts a prediction loss finds what is linear in the image, such as the sum of two positions, before it
    finds an orientation.

    Parameters
    ----------
    observation_shape, latent, channels, hidden
        As for `ConvEncoder`.
    """

    def __init__(self, observation_shape: tuple[int, int, int], latent: int, channels: int, hidden: int) -> None:
        super().__init__()
        count, (inputs, height, width) = halvings(observation_shape), observation_shape
        sizes = [inputs] + [channels] * count
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(sizes))
        features = channels * (height >> count) * (width >> count) + channels
        self.dense = nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, latent))
        self.contrasts = channels
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    @torch.no_grad()
    def standardise(self, observations: Float[Tensor, "n c h w"]) -> None:
        """Fix the centre and scale of the features to those of `observations`."""
        features = self._features(observations)
        self.center.copy_(features.mean(0))
        self.scale.copy_(features.std(0, correction=0).clamp_min(SMALLEST))
        self.scale[-self.contrasts :] /= GAIN

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of the observations."""
        shape = observations.shape
        features = self._features(observations.reshape(-1, *shape[-3:]))
        latents: Tensor = self.dense((features - self.center) / self.scale)
        return latents.reshape(*shape[:-3], -1)

    def _features(self, observations: Float[Tensor, "n c h w"]) -> Float[Tensor, "n features"]:
        # Channels last is a third faster on a CPU.
        values = (observations - MEAN).to(memory_format=torch.channels_last)
        first: Tensor = self.convolutions[0](values)
        contrasts = (first.var((-2, -1), correction=0) + 1e-12).sqrt()  # the root has no gradient at 0
        values = functional.silu(first)
        for convolution in self.convolutions[1:]:
            values = functional.silu(convolution(values))
        return torch.cat([values.flatten(1), contrasts], dim=1)
