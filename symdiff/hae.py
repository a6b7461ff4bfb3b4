"""The homomorphism autoencoder: encoder h, representation rho, decoder d, and its two losses.

Reference: Keurti, Pan, Besserve, Grewe, Schölkopf, "Homomorphism AutoEncoder: learning group structured
representations from observed transitions", ICML 2023, equations 2 and 3.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.representations import Representation

LossNorm = Literal["l2", "squared"]


class Losses(NamedTuple):
    """The two losses of a batch, each averaged over sequences and over the terms of its sum."""

    prediction: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]


class Encoder(nn.Sequential):
    """Perceptron ``[..., C, H, W] -> [..., m]`` plus a linear skip path from the pixels."""


class HAE(nn.Module):
    """Encoder, representation and decoder, trained together.

    Parameters
    ----------
    encoder
        ``[..., C, H, W] -> [..., m]``.
    representation
        The representation of the group on the latent space, ``m`` being its `dimension`.
    decoder
        ``[..., m] -> [..., C, H, W]``.
    """

    def __init__(self, encoder: nn.Module, representation: Representation, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.representation = representation
        self.decoder = decoder

    def encode(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents ``h(o)``."""
        latents: Tensor = self.encoder(observations)
        return latents

    def decode(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Observations ``d(z)``."""
        observations: Tensor = self.decoder(latents)
        return observations

    def predict(
        self, first: Float[Tensor, "n c h w"], actions: Float[Tensor, "n act *element"]
    ) -> Float[Tensor, "n obs m"]:
        """Latents ``z_1 = h(o_1)``, ``z_{t+1} = rho(g_t) z_t``: later elements multiply on the left."""
        return self.representation.rollout(actions, self.encode(first))
