"""A small convolutional U-Net for images of up to about a thousand pixels."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the network.

    Attributes
    ----------
    size
        Height and width of the images; a multiple of twice `patch`.
    channels
        Features at full and at half resolution; multiples of `groups`.
    embedding
        Width of the time embedding.
    groups
        Groups of every group normalisation.
    dropout
        Share of features dropped inside each residual block, in training only.
    patch
        Height and width of the patches whose pixels are the features of one place: what is called full resolution is
        that of the patches. Convolutions at the resolution of the pixels would cost `patch`² as much.
    depth
        Attentions at half resolution, each after the first preceded by a `FeedForward`.
    """

    size: int = 8
    channels: tuple[int, int] = (32, 64)
    embedding: int = 64
    groups: int = 8
    dropout: float = 0.1
    patch: int = 1
    depth: int = 1

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which ``UNetConfig.from_json`` makes the same configuration.

        `patch` and `depth` are written only where they are not 1: they came later, and the digest of a network, which
        covers this, should not change for a setting it does not use.
        """
        data = asdict(self)
        return {key: value for key, value in data.items() if key not in {"patch", "depth"} or value != 1}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> UNetConfig:
        """Inverse of `to_json`."""
        return cls(**{**data, "channels": tuple(data["channels"])})


class GroupNorm(nn.GroupNorm):
    """Group normalisation whose forward-mode derivative exists in every memory layout."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return super().forward(x.contiguous())


class ResidualBlock(nn.Module):
    """Two convolutions whose features are scaled and shifted by the time embedding (FiLM)."""

    def __init__(self, inputs: int, outputs: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm1 = GroupNorm(config.groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(config.embedding, 2 * outputs)
        self.norm2 = GroupNorm(config.groups, outputs)
        self.dropout = nn.Dropout(config.dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # every block starts as its skip connection
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """``[b, inputs, h, w]`` and ``[b or 1, embedding]`` to ``[b, outputs, h, w]``."""
        scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = functional.silu(self.norm2(hidden) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(hidden))  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """One-head self-attention over all pixels."""

    def __init__(self, channels: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm = GroupNorm(config.groups, channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[b, channels, h, w]`` to the same shape."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        query, key, value = self.query_key_value(tokens).chunk(3, dim=-1)
        # Written out because the fused kernel has no forward-mode derivative, which Jacobian products need.
        weights = (query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])).softmax(dim=-1)
        return x + self.out(weights @ value).transpose(1, 2).reshape(x.shape)  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """The same two-layer network at every pixel, with a skip connection."""

    def __init__(self, channels: int, config: UNetConfig) -> None:
        super().__init__()
        self.norm = GroupNorm(config.groups, channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """``[b, channels, h, w]`` to the same shape."""
        return x + self.conv2(functional.silu(self.conv1(self.norm(x))))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """Two resolutions, attention at the lower one, conditioned on the log signal-to-noise ratio.

    Parameters
    ----------
    config
        Sizes.
    """

    frequencies: Tensor

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        full, half = config.channels
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(-2.5, 2.5, config.embedding // 4)), persistent=False
        )
        self.embed = nn.Sequential(
            nn.Linear(config.embedding // 2, config.embedding), nn.SiLU(), nn.Linear(config.embedding, config.embedding)
        )
        pixels, places = config.patch**2, config.size // config.patch
        self.conv_in = nn.Conv2d(pixels, full, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(full, places, places))
        self.down = ResidualBlock(full, full, config)
        self.middle = ResidualBlock(full, half, config)
        self.attention = SelfAttention(half, config)
        self.deeper = nn.Sequential()
        for _ in range(config.depth - 1):
            self.deeper.extend([FeedForward(half, config), SelfAttention(half, config)])
        self.up1 = ResidualBlock(half + full, full, config)
        self.up2 = ResidualBlock(full, full, config)
        self.norm_out = GroupNorm(config.groups, full)
        self.conv_out = nn.Conv2d(full, pixels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]
        if config.patch == 1:
            # Convolutions of 8x8 images run about 1.5 times faster on CPUs in this layout. Those of 14x14 patches do
            # not: the copies that the normalisations make cost more than it gains.
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embedding(self, log_snr: Float[Tensor, " times"]) -> Float[Tensor, "times e"]:
        """The noise levels as every residual block is told of them, before the last activation."""
        phase = log_snr[:, None] / 4 * self.frequencies
        embedded: Tensor = self.embed(torch.cat([phase.sin(), phase.cos()], dim=1))
        return embedded

    def forward(
        self, x: Float[Tensor, "batch 1 h w"], log_snr: Float[Tensor, " times"]
    ) -> Float[Tensor, "batch 1 h w"]:
        """The prediction for images `x`.

        Parameters
        ----------
        x
            Noisy images of unit-order variance.
        log_snr
            ``log(A^2 / sigma^2)`` of each image, or of all of them (one entry).
        """
        embedding = functional.silu(self.embedding(log_snr))
        places = functional.pixel_unshuffle(x, self.config.patch)
        high = self.down(self.conv_in(places) + self.position, embedding)
        low = self.deeper(self.attention(self.middle(functional.avg_pool2d(high, 2), embedding)))
        merged = torch.cat([functional.interpolate(low, scale_factor=2.0), high], dim=1)
        features = self.up2(self.up1(merged, embedding), embedding)
        places = self.conv_out(functional.silu(self.norm_out(features)))
        return functional.pixel_shuffle(places, self.config.patch)
