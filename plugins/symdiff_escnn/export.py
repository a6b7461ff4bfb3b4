"""Equivariant networks as plain PyTorch, for evaluation: the same function of the weights as they are.

Every equivariant linear map becomes one dense matrix, put together once instead of at every call, and the nonlinearity
is written out: escnn's FourierPointwise has no export of its own. Small batches take a third of the time
(``python -m benchmarks equivariant``).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff_escnn.convolution import ConvolutionalNetwork
from symdiff_escnn.layers import IrrepLinear, Pointwise
from symdiff_escnn.networks import EquivariantDecoder, EquivariantEncoder


class PlainPointwise(nn.Module):
    """Coefficients to values at the elements, an ELU or a sigmoid there, and back.

    Parameters
    ----------
    layer
        What it is made of.
    """

    def __init__(self, layer: Pointwise) -> None:
        super().__init__()
        self.there: Tensor
        self.back: Tensor
        self.register_buffer("there", layer.nonlinearity.A.T.clone())
        self.register_buffer("back", layer.nonlinearity.Ainv.T.clone())
        self.places: Tensor
        self.order: Tensor
        self.register_buffer("places", layer.places.clone())
        self.register_buffer("order", layer.back.clone())
        self.function = nn.ELU() if layer.fields.group.finite else nn.Sigmoid()

    def forward(self, x: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """The coefficients of the functions after the nonlinearity."""
        values = x[..., self.places].unflatten(-1, (-1, len(self.there))) @ self.there
        found: Tensor = (self.function(values) @ self.back).flatten(-2)[..., self.order]
        return found


class PlainConvolution(nn.Module):
    """escnn's own export of steerable convolutions, on coordinates of images.

    Parameters
    ----------
    network
        What it is made of, in evaluation mode.
    """

    def __init__(self, network: ConvolutionalNetwork) -> None:
        super().__init__()
        self.image = network.image
        self.body = network.body.export()

    def forward(self, c: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """Latents of the coordinates of images."""
        latents: Tensor = self.body(self.image.inverse(c.reshape(-1, c.shape[-1])))
        return latents.reshape(*c.shape[:-1], -1)


class PlainEncoder(nn.Module):
    """`EquivariantEncoder` as it is now.

    Parameters
    ----------
    encoder
        What it is made of, in evaluation mode.
    """

    def __init__(self, encoder: EquivariantEncoder) -> None:
        super().__init__()
        self.image = encoder.image
        self.linear = dense(encoder.linear)
        self.network = None if encoder.network is None else plain(encoder.network)

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of the observations."""
        c = self.image(observations)
        latents: Tensor = self.linear(c)
        return latents if self.network is None else latents + self.network(c)


class PlainDecoder(nn.Module):
    """`EquivariantDecoder` as it is now.

    Parameters
    ----------
    decoder
        What it is made of, in evaluation mode.
    """

    def __init__(self, decoder: EquivariantDecoder) -> None:
        super().__init__()
        self.image = decoder.image
        self.spread: Tensor
        self.register_buffer("spread", decoder.spread.clone())
        self.linear = dense(decoder.linear)
        self.network = None if decoder.network is None else plain(decoder.network)

    def forward(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Observations of the latents."""
        z = latents / self.spread
        c = self.linear(z)
        return self.image.inverse(c if self.network is None else c + self.network(z))


@torch.no_grad()
def dense(layer: IrrepLinear) -> nn.Linear:
    """The same map with one matrix."""
    matrix, offset = layer.matrix(), layer.offset()
    made = nn.Linear(matrix.shape[1], matrix.shape[0], device=matrix.device, dtype=matrix.dtype)
    made.weight.copy_(matrix)
    made.bias.copy_(offset)
    return made


def plain(network: nn.Module) -> nn.Module:
    """The same network in plain PyTorch."""
    if isinstance(network, nn.Sequential):
        return nn.Sequential(*(plain(part) for part in network))
    if isinstance(network, IrrepLinear):
        return dense(network)
    if isinstance(network, Pointwise):
        return PlainPointwise(network)
    return PlainConvolution(network) if isinstance(network, ConvolutionalNetwork) else network
