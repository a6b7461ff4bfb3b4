"""Convolutional encoder and decoder of 16 channels for 32 x 32 images, and a rho with values in SO(m)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from symdiff.representations import LieRepresentation

CHANNELS = 16
HIDDEN = 256
FIRST_GAIN = 3.0
"""The decoder's first layer starts larger than usual, so that it can tell neighbours on the latent sphere apart."""


class ConvEncoder(nn.Module):
    """Images in [0, 1] ``[..., C, 32, 32]`` to latents ``[..., m]`` of norm 1.

    Padding is by zeros: nothing of the torus is built in.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        w = CHANNELS
        self.network = nn.Sequential(
            nn.Conv2d(channels, w, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(w, w, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(w, w, 4, 2, 1), nn.SiLU(),
            nn.Flatten(), nn.Linear(16 * w, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, latent),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Latents on the unit sphere."""
        # Channels last is a third faster on a CPU.
        flat = (images.flatten(0, -4) - 0.2).to(memory_format=torch.channels_last)
        latents: Tensor = self.network(flat).unflatten(0, images.shape[:-3])
        return latents / latents.norm(dim=-1, keepdim=True)


class ConvDecoder(nn.Module):
    """Latents ``[..., m]`` to the logits ``[..., C, 32, 32]`` of images."""

    def __init__(self, latent: int, channels: int) -> None:
        super().__init__()
        w = CHANNELS
        first = nn.Linear(latent, HIDDEN)
        with torch.no_grad():
            first.weight.mul_(FIRST_GAIN)
        self.network = nn.Sequential(
            first, nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 16 * w), nn.SiLU(),
            nn.Unflatten(1, (w, 4, 4)),
            nn.ConvTranspose2d(w, w, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(w, w, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(w, channels, 4, 2, 1),
        )  # fmt: skip

    def forward(self, latents: Tensor) -> Tensor:
        """Logits of the pixels."""
        images: Tensor = self.network(latents.flatten(0, -2))
        return images.reshape(*latents.shape[:-1], *images.shape[1:])


class SkewLieRepresentation(LieRepresentation):
    """``rho(g) = exp(d rho(log g))`` with d rho in the skew matrices, so that rho is orthogonal whatever is learned.

    Parameters
    ----------
    log, bracket, algebra_dimension, block_sizes
        As for `LieRepresentation`.
    scale
        Standard deviation of an entry of d rho at the start. Frequencies of about 1 are wanted of actions in radians;
        the default of the base class, near 0, leaves planes that never begin to turn.
    """

    form = "lie-skew"

    def __init__(
        self,
        log: Callable[[Tensor], Tensor],
        bracket: Callable[[Tensor, Tensor], Tensor],
        algebra_dimension: int,
        block_sizes: tuple[int, ...],
        scale: float = 0.42,
    ) -> None:
        super().__init__(log, bracket, algebra_dimension, block_sizes)
        with torch.no_grad():
            for generators in self.generators:
                generators.normal_(std=scale)

    def images(self) -> list[Tensor]:
        """The skew parts of the parameters."""
        skew = []
        for generators, (_, size) in zip(self.generators, self._runs, strict=True):
            matrices = generators.unflatten(-1, (size, size))
            skew.append(((matrices - matrices.transpose(-1, -2)) / 2).flatten(-2))
        return skew

    def projected(self) -> tuple[LieRepresentation, float]:
        """As `LieRepresentation.projected`; the result is skew too.

        Of skew matrices the bracket defect is skew, and so is its pull-back by commutators with them: no step of the
        projection leaves the skew matrices.
        """
        with torch.no_grad():
            for generators, skew in zip(self.generators, self.images(), strict=True):
                generators.copy_(skew)
        return super().projected()

    def bracket_defects(self) -> list[Tensor]:
        """The defects of the images, over all pairs of the basis."""
        basis = torch.eye(self.generators[0].shape[1]).to(self.generators[0])
        brackets = self.bracket(basis[:, None], basis[None])
        defects = []
        for images, (_, size) in zip(self.images(), self._runs, strict=True):
            matrices = images.unflatten(-1, (size, size))
            products = matrices[:, :, None] @ matrices[:, None]
            expected = torch.einsum("rsn,knc->krsc", brackets, images).unflatten(-1, (size, size))
            defects.append(products - products.transpose(1, 2) - expected)
        return defects
