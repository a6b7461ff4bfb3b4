"""What training makes small, and how: the terms of the loss, terms that families add, and the numbers of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symdiff.hae import HAE, LossNorm, losses
from symdiff.plain import plain_losses, plain_penalty
from symdiff.trajectories import Sequences


class Objective(NamedTuple):
    """The terms of the loss at one point."""

    loss: Tensor
    prediction: Tensor
    reconstruction: Tensor
    penalty: Tensor


Weight = float | Tensor
"""Of a term of the loss: a number, or a tensor of no dimensions on the device, whose value nobody looks at."""


def is_present(weight: Weight) -> bool:
    """Whether a term of this weight is part of the loss: not if it is the number 0."""
    return isinstance(weight, Tensor) or weight != 0


@dataclass(frozen=True)
class Recipe:
    """How a family is trained.

    Attributes
    ----------
    betas, weight_decay
        Of AdamW; the weights of rho never decay.
    fan_in
        A layer with a larger fan-in has its rate lowered in proportion; ``None``: no layer has.
    rate_of_rho
        Times the rate of the networks.
    warm_up
        Steps until the peak of the rate is reached.
    final_share
        Share of the peak that the cosine ends at.
    clip_norm
        Norm that gradients are clipped to.
    without_decoder
        Share of the steps, the first ones, in which nothing is decoded.
    tuning
        Share of the steps spent on encoder and decoder after the projection of rho.
    """

    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.1
    fan_in: int | None = 64
    rate_of_rho: float = 1.0
    warm_up: int = 50
    final_share: float = 0.02
    clip_norm: float = 1.0
    without_decoder: float = 0.0
    tuning: float = 1 / 3


@runtime_checkable
class _Weights(Protocol):
    """What the published loss takes of the options of a family."""

    @property
    def loss_norm(self) -> LossNorm: ...

    @property
    def gamma(self) -> float: ...


def published_objective(
    options: _Weights, model: HAE, data: Sequences, penalty: Weight, decoding: bool = True, *, plain: bool = False
) -> Objective:
    """``L_rec + gamma L_pred + penalty * (homomorphism penalty)`` (Keurti et al. 2023, Eq. 4, and the penalty).

    Parameters
    ----------
    options
        ``loss_norm`` and ``gamma``.
    penalty
        Weight of the homomorphism penalty, which is part of the loss where it `is_present`.
    decoding
        Whether L_rec is part of the loss.
    plain
        Compute the same by the plain algorithm of `symdiff.plain`.
    """
    of = plain_losses if plain else losses
    prediction, reconstruction = of(model, data.observations, data.actions, options.loss_norm)
    elements = data.actions.flatten(0, 1)
    if not is_present(penalty):
        bent = prediction.new_zeros(())
    else:
        bent = plain_penalty(model.representation, elements) if plain else model.representation.penalty(elements)
    loss = (reconstruction if decoding else 0) + options.gamma * prediction + penalty * bent
    return Objective(loss, prediction, reconstruction, bent)


def cross_entropy(
    logits: Float[Tensor, "*batch c h w"], images: Float[Tensor, "*batch c h w"]
) -> Float[Tensor, "*batch"]:
    """Binary cross-entropy in nats of images in [0, 1], summed over pixels and channels."""
    return functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum((-3, -2, -1))


def latent_spread(latents: Float[Tensor, "n m"], centred: bool = False) -> Float[Tensor, ""]:
    """``|m E[h h^T] - I|_F^2`` of latents: 0 in the gauge ``E[h h^T] = I/m``, in which they cannot be one point.

    A change of basis brings any latents of full rank there, so that it forbids the collapse and nothing else.

    Parameters
    ----------
    centred
        Add ``m |E h|^2``. A constant part of the latents is invariant and says nothing; fresh encoders have a large
        one, which rho predicts best by not turning.
    """
    n, m = latents.shape
    eye = torch.eye(m, dtype=latents.dtype, device=latents.device)
    spread = (m * latents.T @ latents / n - eye).square().sum()
    return spread + m * latents.mean(0).square().sum() if centred else spread
