"""The homomorphism autoencoder: encoder h, representation rho, decoder d, and its two losses.

Reference: Keurti, Pan, Besserve, Grewe, Schölkopf, "Homomorphism AutoEncoder: Learning Group Structured
Representations from Observed Transitions", ICML 2023, section 3.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from symdiff.perceptron import Perceptron
from symdiff.representations import Representation

LossNorm = Literal["squared", "l2"]


class Encoder(nn.Module):
    """Observations ``[..., C, H, W]`` to latents ``[..., m]``: a linear map plus a perceptron.

    The linear part lets a closed-form solution be the starting point; the perceptron learns what it leaves.

    Parameters
    ----------
    observation_shape
        ``(C, H, W)``.
    latent
        m.
    hidden
        Width of the two hidden layers.
    """

    def __init__(self, observation_shape: tuple[int, int, int], latent: int, hidden: int = 64) -> None:
        super().__init__()
        pixels = math.prod(observation_shape)
        self.linear = nn.Linear(pixels, latent)
        self.network = _perceptron(pixels, hidden, latent)

    def forward(self, observations: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch m"]:
        """Latents of the observations."""
        x = observations.flatten(-3)
        latents: Tensor = self.linear(x) + self.network(x)
        return latents


class Decoder(nn.Module):
    """Latents ``[..., m]`` to observations ``[..., C, H, W]``: a linear map plus a perceptron.

    Latents are centred and scaled by fixed numbers first (`standardise`), so that directions of small variance can
    be read as well as large ones.

    Parameters
    ----------
    latent, observation_shape, hidden
        As for `Encoder`.
    """

    def __init__(self, latent: int, observation_shape: tuple[int, int, int], hidden: int = 64) -> None:
        super().__init__()
        pixels = math.prod(observation_shape)
        self.observation_shape = observation_shape
        self.linear = nn.Linear(latent, pixels)
        self.network = _perceptron(latent, hidden, pixels)
        self.center: Tensor
        self.spread: Tensor
        self.register_buffer("center", torch.zeros(latent))
        self.register_buffer("spread", torch.ones(latent))

    @torch.no_grad()
    def standardise(self, latents: Float[Tensor, "n m"]) -> None:
        """Fix centre and spread to those of `latents`."""
        self.center.copy_(latents.mean(0))
        self.spread.copy_(latents.std(0).clamp_min(1e-6))

    def forward(self, latents: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch c h w"]:
        """Observations of the latents."""
        z = (latents - self.center) / self.spread
        observations: Tensor = self.linear(z) + self.network(z)
        return observations.reshape(*latents.shape[:-1], *self.observation_shape)


class HAE(nn.Module):
    """Encoder, representation and decoder, trained together.

    Parameters
    ----------
    encoder
        ``[..., C, H, W] -> [..., m]``.
    representation
        The representation of the group on the latent space, of dimension m.
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

    def predict(self, first: Float[Tensor, "n c h w"], actions: Tensor) -> Float[Tensor, "n obs m"]:
        """Latents ``z_1 = h(o_1)``, ``z_{t+1} = rho(g_t) z_t`` for actions ``[n, N, *element_shape]``."""
        return self.representation.rollout(actions, self.encode(first))


class Losses(NamedTuple):
    """The two losses of a batch, averaged over the terms of their sums and over sequences."""

    prediction: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]


def losses(
    model: HAE, observations: Float[Tensor, "n obs c h w"], actions: Tensor, norm: LossNorm = "squared"
) -> Losses:
    """Latent prediction and reconstruction losses over N-step sequences.

    ``L_pred = sum_{t=2}^{N+1} |h(o_t) - z_t|`` and ``L_rec = sum_{t=1}^{N+1} |o_t - d(z_t)|`` with
    ``z_t = rho(g_{t-1}) ... rho(g_1) h(o_1)`` (Keurti et al. 2023, Eqs. 2-3).

    Parameters
    ----------
    observations
        ``[n, N+1, C, H, W]``.
    actions
        ``[n, N, *element_shape]``.
    norm
        ``"l2"`` takes the norms as written above; ``"squared"`` their squares, whose minimum is the share of
        variance the diagnostics report. Each is divided by its dimension (l2: by its root), so that the weight
        between the two does not depend on the sizes of images and latents.
    """
    latents = model.encode(observations)
    predicted = model.representation.rollout(actions, latents[:, 0])
    prediction = (latents[:, 1:] - predicted[:, 1:]).square().mean(-1)
    reconstruction = mean_square(observations, model.decode(predicted))
    if norm == "l2":
        # A root has no gradient at 0, where the exact forms live.
        return Losses((prediction + 1e-12).sqrt().mean(), (reconstruction + 1e-12).sqrt().mean())
    return Losses(prediction.mean(), reconstruction.mean())


def mean_square(
    images: Float[Tensor, "*batch c h w"], others: Float[Tensor, "*batch c h w"]
) -> Float[Tensor, "*batch"]:
    """``|x - y|^2 / (C H W)`` of each pair, in three passes over the images, its gradient included.

    `others` may be of lower precision: differences are taken in that of `images`.
    """
    found: Tensor = _MeanSquare.apply(images, others)  # type: ignore[no-untyped-call]
    return found


class _MeanSquare(torch.autograd.Function):
    """Written out, since each operation reads and writes all images, which takes as long as the products do."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, others: Tensor) -> Tensor:
        difference = images - others
        ctx.save_for_backward(difference)
        ctx.precisions = images.dtype, others.dtype
        ctx.pixels = pixels = math.prod(difference.shape[-3:])
        found: Tensor = torch.linalg.vector_norm(difference, dim=(-3, -2, -1)).square() / pixels
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (difference,) = ctx.saved_tensors
        each = (gradient * (2 / ctx.pixels))[..., None, None, None]
        slopes: list[Tensor | None] = []
        for i, (precision, sign) in enumerate(zip(ctx.precisions, (1, -1), strict=True)):
            if not ctx.needs_input_grad[i]:
                slopes.append(None)
                continue
            slope = torch.empty_like(difference, dtype=precision)
            slopes.append(torch.mul(difference, sign * each, out=slope))
        return tuple(slopes)


def _perceptron(inputs: int, hidden: int, outputs: int) -> Perceptron:
    layers = Perceptron(inputs, hidden, hidden, outputs)
    last = layers[-1]
    if isinstance(last, nn.Linear):  # starts as a small correction of the linear part
        with torch.no_grad():
            last.weight.mul_(0.05)
            last.bias.zero_()
    return layers
