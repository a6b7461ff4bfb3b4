"""The forward process of a variance-preserving diffusion, and its posterior given the clean image."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.samplers.base import posterior_coefficients
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError


def q_sample(
    schedule: Schedule, x0: Float[Tensor, "batch c h w"], t: int, noise: Float[Tensor, "batch c h w"]
) -> Float[Tensor, "batch c h w"]:
    """A draw from ``q(x_t|x_0)``: ``A x_0 + sigma noise``.

    Parameters
    ----------
    schedule
        Noise schedule.
    x0
        Clean images.
    t
        Training time, 0 ... T.
    noise
        Standard normal, of the shape of `x0`.
    """
    return schedule.signal(t) * x0 + schedule.sigma(t) * noise


def posterior_mean(
    schedule: Schedule, x: Float[Tensor, "batch c h w"], x0: Float[Tensor, "batch c h w"], t: int, before: int
) -> Float[Tensor, "batch c h w"]:
    """Mean of ``q(x_before | x_t, x_0)`` for times ``before < t``, which need not be adjacent."""
    state, denoised, _ = _posterior(schedule, t, before)
    return state * x + denoised * x0


def posterior_variance(schedule: Schedule, t: int, before: int) -> float:
    """Variance ``beta_tilde`` of ``q(x_before | x_t, x_0)``, per coordinate."""
    return _posterior(schedule, t, before)[2]


def _posterior(schedule: Schedule, t: int, before: int) -> tuple[float, float, float]:
    if not 0 <= before < t <= schedule.T:
        raise ConfigError(
            f"posterior of time {before} given time {t}", f"times must satisfy 0 <= before < t <= {schedule.T}"
        )
    state, denoised, variance, _ = posterior_coefficients(schedule.alpha_bar[torch.tensor([t, before])])
    return float(state), float(denoised), float(variance)
