"""Encoder and decoder that are equivariant by construction, exactly, under the action on images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff_escnn.action import Action
from symdiff_escnn.fields import Fields
from symdiff_escnn.layers import IrrepLinear


class ImageFields(nn.Module):
    """Images as vectors of irreps, and back.

    Parameters
    ----------
    action
        The action on images.
    channels
        C.
    """

    def __init__(self, action: Action, channels: int) -> None:
        super().__init__()
        self.fields, places = action.coordinates.of_channels(channels)
        self.shape = (channels, action.side, action.side)
        self.basis: Tensor
        self.places: Tensor
        self.back: Tensor
        self.register_buffer("basis", action.coordinates.basis.float(), persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("back", places.argsort(), persistent=False)

    def forward(self, x: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch n"]:
        """The coordinates of images."""
        return (x.flatten(-2) @ self.basis).flatten(-2)[..., self.places]

    def inverse(self, c: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch c h w"]:
        """The images of coordinates, 0 outside the observed part."""
        channels = self.shape[0]
        flat = c[..., self.back].unflatten(-1, (channels, -1)) @ self.basis.T
        images: Tensor = flat.unflatten(-1, self.shape[1:])
        return images


class EquivariantEncoder(nn.Module):
    """Images ``[..., C, H, W]`` to latents ``[..., m]``: an equivariant linear map plus an equivariant network.

    Parameters
    ----------
    action, channels
        The action on images, and their number of channels.
    latent
        The irreps of the latent space.
    network
        From the coordinates of images to latents; ``None`` for the linear map alone.
    """

    def __init__(self, action: Action, channels: int, latent: Fields, network: nn.Module | None) -> None:
        super().__init__()
        self.image = ImageFields(action, channels)
        self.linear = IrrepLinear(self.image.fields, latent)
        self.network = network

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of the observations."""
        c = self.image(observations)
        latents: Tensor = self.linear(c)
        return latents if self.network is None else latents + self.network(c)


class EquivariantDecoder(nn.Module):
    """Latents ``[..., m]`` to images ``[..., C, H, W]``: an equivariant linear map plus an equivariant network.

    Copies of irreps are scaled by fixed numbers first, so that those of small variance can be read as well.

    Parameters
    ----------
    action, channels, latent, network
        As for `EquivariantEncoder`, the network from latents to the coordinates of images.
    """

    def __init__(self, action: Action, channels: int, latent: Fields, network: nn.Module | None) -> None:
        super().__init__()
        self.image = ImageFields(action, channels)
        self.linear = IrrepLinear(latent, self.image.fields)
        self.network = network
        self.spread: Tensor
        self.register_buffer("spread", torch.ones(latent.dimension))

    def forward(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Observations of the latents."""
        z = latents / self.spread
        c = self.linear(z)
        return self.image.inverse(c if self.network is None else c + self.network(z))
