"""A `UNet` evaluated on the CPU where nothing is differentiated: the same function in fewer passes over its features.

Convolutions are fast there with the channels of a place side by side in memory, which `torch.nn.GroupNorm` is not. What
lies between two convolutions is written out for that layout, without copies into another one:

* a normalisation is two sums over the places and one multiplication and addition, those of the time embedding's scale
  and shift included; the activation overwrites what they leave;
* features of the lower resolution are not repeated at the higher one. In the statistics of a normalisation a place of
  theirs counts for the four it covers, and the convolution of the repeated features is a transposed convolution of the
  features themselves, with less than half of the multiplications.

Sums are taken in another order than by the modules: the two agree up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symdiff.beside import together
from symdiff.diffusion.denoisers.unet import FeedForward, ResidualBlock, SelfAttention, UNet

AT_ONCE = 256
"""Images of one pass: the features of many more do not fit into the caches."""

AT_LEAST = 64
"""Images from which on it takes less time than the modules: of fewer, the single operations count, which are more."""

Film = tuple[Tensor, Tensor]
"""``1 + scale`` and shift of every channel, ``[1, channels]``."""


def evaluate(
    network: UNet, x: Float[Tensor, "batch 1 h w"], log_snr: Float[Tensor, " one"]
) -> Float[Tensor, "batch 1 h w"]:
    """``network(x, log_snr)`` up to rounding, of a network that drops nothing, at one noise level.

    Not differentiable: intermediate results are written over.

    Parameters
    ----------
    network
        Its parameters are used as they are.
    x, log_snr
        As in `UNet.forward`, with one entry of `log_snr`. Images are shared out among the processors, `AT_LEAST` and
        more for each.
    """
    embedding = functional.silu(network.embedding(log_snr))

    def of(images: Tensor) -> Tensor:
        return torch.cat([_evaluate(network, part, embedding) for part in images.split(AT_ONCE)])

    return torch.cat(together(of, x.tensor_split(_shares(x))))


def _shares(x: Tensor) -> int:
    """In how many parts images are evaluated at the same time; what is mapped over belongs to the thread it is in."""
    return shares(len(x)) if torch.func.debug_unwrap(x) is x else 1


def shares(images: int) -> int:
    """In how many parts so many images go through a network at the same time, `AT_LEAST` and more in each."""
    return max(1, min(torch.get_num_threads(), images // AT_LEAST))


def _evaluate(network: UNet, x: Tensor, embedding: Tensor) -> Tensor:
    patch = network.config.patch
    places = _side_by_side(network.conv_in(_side_by_side(functional.pixel_unshuffle(x, patch))))
    high = _residual(network.down, [places.add_(_side_by_side(network.position[None]))], embedding)
    low = _residual(network.middle, [_side_by_side(functional.avg_pool2d(high, 2))], embedding)
    for layer in (network.attention, *network.deeper):
        low = _attended(layer, low) if isinstance(layer, SelfAttention) else _fed_forward(layer, low)
    features = _residual(network.up2, [_residual(network.up1, [low, high], embedding)], embedding)
    places = network.conv_out(_activated(network.norm_out, [features])[0])
    return functional.pixel_shuffle(places, patch)


def _residual(block: ResidualBlock, x: Sequence[Tensor], embedding: Tensor) -> Tensor:
    """The block of features given as parts: those at its own resolution last, before them those at half of it."""
    scale, shift = block.film(embedding).chunk(2, dim=1)
    hidden = _convolved(block.conv1, _activated(block.norm1, x))
    [hidden] = _activated(block.norm2, [hidden], (1 + scale, shift))
    skip = _convolved(block.skip, x) if isinstance(block.skip, nn.Conv2d) else x[-1]
    return _side_by_side(block.conv2(hidden)).add_(skip)


def _activated(layer: nn.GroupNorm, x: Sequence[Tensor], film: Film | None = None) -> list[Tensor]:
    return [functional.silu(part, inplace=True) for part in _normalised(layer, x, film)]


def _normalised(layer: nn.GroupNorm, x: Sequence[Tensor], film: Film | None = None) -> list[Tensor]:
    """``norm(x) * (1 + scale) + shift`` of features given as parts, whose channels follow each other."""
    parts = [part.permute(0, 2, 3, 1).flatten(1, 2) for part in x]  # [batch, places, channels]
    channels = [part.shape[2] for part in parts]

    def of_groups(several: Sequence[Tensor]) -> Tensor:
        """The mean over the places and channels of its group, for every channel: ``[batch, 1, channels]``."""
        means: Tensor = torch.cat([part.mean(1) for part in several], dim=1).unflatten(1, (layer.num_groups, -1))
        return means.mean(2, keepdim=True).expand_as(means).flatten(1)[:, None]

    centred = [part - mean for part, mean in zip(parts, of_groups(parts).split(channels, 2), strict=True)]
    rate = (of_groups([part * part for part in centred]) + layer.eps).rsqrt()
    gain, shift = layer.weight[None], layer.bias[None]
    if film is not None:
        gain, shift = gain * film[0], shift * film[0] + film[1]
    factors, shifts = (rate * gain).split(channels, 2), shift.split(channels, 1)
    return [
        torch.addcmul(shift, part, factor).unflatten(1, whole.shape[2:]).permute(0, 3, 1, 2)
        for shift, part, factor, whole in zip(shifts, centred, factors, x, strict=True)
    ]


def _convolved(layer: nn.Conv2d, x: Sequence[Tensor]) -> Tensor:
    """The convolution of features given as parts."""
    [*half, whole] = x
    if not half:
        return _side_by_side(layer(whole))
    [low] = half
    of_low, of_whole = layer.weight.split([low.shape[1], whole.shape[1]], dim=1)
    found = _side_by_side(functional.conv2d(whole, of_whole, layer.bias, padding=layer.padding))
    if layer.kernel_size == (1, 1):
        return found.add_(functional.interpolate(functional.conv2d(low, of_low), scale_factor=2.0))
    # What a place of `low` gives to another is the sum of what the two by two places it covers would give.
    turned = of_low.flip(2, 3).transpose(0, 1)
    rows = functional.pad(turned, (0, 0, 1, 0)) + functional.pad(turned, (0, 0, 0, 1))
    kernel = functional.pad(rows, (1, 0)) + functional.pad(rows, (0, 1))
    return found.add_(functional.conv_transpose2d(low, kernel, stride=2, padding=1))


def _attended(layer: SelfAttention, x: Tensor) -> Tensor:
    [normalised] = _normalised(layer.norm, [x])
    tokens = normalised.permute(0, 2, 3, 1).flatten(1, 2)
    query, key, value = layer.query_key_value(tokens).chunk(3, dim=-1)
    weights = (query @ key.transpose(1, 2)).div_(math.sqrt(query.shape[-1])).softmax(dim=-1)
    found: Tensor = layer.out(weights @ value).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
    return found.add_(x)


def _fed_forward(layer: FeedForward, x: Tensor) -> Tensor:
    [normalised] = _normalised(layer.norm, [x])
    return _side_by_side(layer.conv2(functional.silu(layer.conv1(normalised), inplace=True))).add_(x)


def _side_by_side(x: Tensor) -> Tensor:
    """The same with the channels of a place next to each other in memory."""
    # Not by its memory format, for which vmap has no rule.
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
