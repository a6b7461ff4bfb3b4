"""The derivative of a `UNet` at some images, transposed and applied to many cotangents at once.

Automatic differentiation goes through the network once for every cotangent of an image, a few images at a time. Written
out, the network is evaluated once, and what is left is linear: convolutions of all cotangents together, products with
what the evaluation left behind, and projections where it normalised.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symdiff.beside import together
from symdiff.diffusion.denoisers.unet import FeedForward, ResidualBlock, SelfAttention, UNet
from symdiff.diffusion.denoisers.unet_inference import AT_ONCE, shares

Pull = Callable[[Tensor], Tensor]
"""Cotangents ``[k, n, *output]`` of n images, k each, to ``[k, n, *input]``; they may be written over."""


@torch.no_grad()
def pullback(
    network: UNet, x: Float[Tensor, "n 1 h w"], log_snr: Float[Tensor, " times"]
) -> Callable[[Float[Tensor, "k n 1 h w"]], Float[Tensor, "k n 1 h w"]]:
    """``J^T`` of ``network(x, log_snr)`` with respect to `x`, as a function of cotangents; the network drops nothing.

    Parameters
    ----------
    network
        Its parameters are used as they are.
    x, log_snr
        As in `UNet.forward`.

    Cotangents are shared out among the processors, and go through the network a few at a time, as images do in
    `symdiff.diffusion.denoisers.unet_inference`.
    """
    patch = network.config.patch
    embedding = functional.silu(network.embedding(log_snr))
    high, pull_in = _convolved(network.conv_in, functional.pixel_unshuffle(x, patch))
    high, pull_down = _residual(network.down, high + network.position, embedding)
    low, pull_middle = _residual(network.middle, functional.avg_pool2d(high, 2), embedding)
    inner: list[Pull] = []
    for layer in (network.attention, *network.deeper):
        low, pull = _attended(layer, low) if isinstance(layer, SelfAttention) else _fed_forward(layer, low)
        inner.append(pull)
    half = low.shape[1]
    features, pull_up1 = _residual(
        network.up1, torch.cat([functional.interpolate(low, scale_factor=2.0), high], dim=1), embedding
    )
    features, pull_up2 = _residual(network.up2, features, embedding)
    _, pull_norm = _activated(network.norm_out, features)
    pull_out = _back(network.conv_out)

    def pull_some(cotangents: Tensor) -> Tensor:
        k = len(cotangents)
        c = functional.pixel_unshuffle(cotangents.flatten(0, 1), patch).unflatten(0, (k, -1))
        merged = pull_up1(pull_up2(pull_norm(pull_out(c))))
        low = 4 * functional.avg_pool2d(merged[:, :, :half].flatten(0, 1), 2).unflatten(0, (k, -1))
        for pull in reversed(inner):
            low = pull(low)
        low = functional.interpolate(pull_middle(low).flatten(0, 1), scale_factor=2.0).unflatten(0, (k, -1)) / 4
        places = pull_in(pull_down(merged[:, :, half:] + low))
        found: Tensor = functional.pixel_shuffle(places.flatten(0, 1), patch).unflatten(0, (k, -1))
        return found

    def pull_share(cotangents: Tensor) -> Tensor:
        return torch.cat([pull_some(piece) for piece in cotangents.split(max(1, AT_ONCE // len(x)))])

    @torch.no_grad()
    def pull_all(cotangents: Tensor) -> Tensor:
        if cotangents.device.type != "cpu":  # which would only wait between the pieces
            return pull_some(cotangents)
        parts = cotangents.tensor_split(min(shares(len(cotangents) * len(x)), len(cotangents)))
        return torch.cat(together(pull_share, parts))

    return pull_all


def _back(layer: nn.Conv2d) -> Pull:
    """The transpose of a convolution that keeps the size: one with the kernel turned round."""
    kernel = layer.weight.flip(2, 3).transpose(0, 1).contiguous()
    return lambda c: functional.conv2d(c.flatten(0, 1), kernel, padding=layer.padding).unflatten(0, c.shape[:2])


def _convolved(layer: nn.Conv2d, x: Tensor) -> tuple[Tensor, Pull]:
    return layer(x), _back(layer)


def _normalised(layer: nn.GroupNorm, x: Tensor, slope: Tensor | None = None) -> Pull:
    """Through a normalisation, and before that through a multiplication by `slope`, ``[n, channels, h, w]``."""
    grouped = x.reshape(len(x), layer.num_groups, -1)
    variance, mean = torch.var_mean(grouped, dim=-1, correction=0, keepdim=True)
    rate = (variance + layer.eps).rsqrt()
    xhat = (grouped - mean) * rate
    gain = layer.weight[:, None, None] if slope is None else layer.weight[:, None, None] * slope
    factor = (gain.expand_as(x).reshape(grouped.shape) * rate).reshape(x.shape)

    def pull(c: Tensor) -> Tensor:
        # What the mean and the variance of a group do not see.
        scaled = (c * factor).reshape(len(c), *grouped.shape)
        along = (scaled * xhat).mean(-1, keepdim=True)
        return scaled.sub_(scaled.mean(-1, keepdim=True)).addcmul_(xhat, along, value=-1).view(c.shape)

    return pull


def _activated(
    layer: nn.GroupNorm, x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None
) -> tuple[Tensor, Pull]:
    """``silu(norm(x) * gain + shift)`` and its pull."""
    inner = layer(x) if gain is None or shift is None else layer(x) * gain + shift
    gate = inner.sigmoid()
    slope = gate * (1 + inner * (1 - gate))
    return inner * gate, _normalised(layer, x, slope if gain is None else slope * gain)


def _residual(block: ResidualBlock, x: Tensor, embedding: Tensor) -> tuple[Tensor, Pull]:
    scale, shift = block.film(embedding)[:, :, None, None].chunk(2, dim=1)
    hidden, pull_first = _activated(block.norm1, x)
    hidden, pull_conv1 = _convolved(block.conv1, hidden)
    hidden, pull_second = _activated(block.norm2, hidden, 1 + scale, shift)
    hidden, pull_conv2 = _convolved(block.conv2, hidden)
    skip = _back(block.skip) if isinstance(block.skip, nn.Conv2d) else None

    def pull(c: Tensor) -> Tensor:
        inner = pull_first(pull_conv1(pull_second(pull_conv2(c))))
        return inner.add_(c if skip is None else skip(c))

    return block.skip(x) + hidden, pull


def _attended(layer: SelfAttention, x: Tensor) -> tuple[Tensor, Pull]:
    tokens = layer.norm(x).flatten(2).transpose(1, 2)
    query, key, value = layer.query_key_value(tokens).chunk(3, dim=-1)
    root = math.sqrt(query.shape[-1])
    weights = (query @ key.transpose(1, 2) / root).softmax(dim=-1)
    pull_norm = _normalised(layer.norm, x)

    def pull(c: Tensor) -> Tensor:
        of_output = c.flatten(3).mT @ layer.out.weight
        of_weights = of_output @ value.mT
        of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True)) / root
        parts = torch.cat([of_scores @ key, of_scores.mT @ query, weights.mT @ of_output], dim=-1)
        return c + pull_norm((parts @ layer.query_key_value.weight).mT.reshape(c.shape))

    return x + layer.out(weights @ value).transpose(1, 2).reshape(x.shape), pull


def _fed_forward(layer: FeedForward, x: Tensor) -> tuple[Tensor, Pull]:
    hidden = layer.conv1(layer.norm(x))
    gate = hidden.sigmoid()
    slope = gate * (1 + hidden * (1 - gate))
    pull_norm, pull1, pull2 = _normalised(layer.norm, x), _back(layer.conv1), _back(layer.conv2)
    return x + layer.conv2(hidden * gate), lambda c: c + pull_norm(pull1(pull2(c) * slope))
