"""What the closed-form denoisers share: parameters kept in float64 and cast once per dtype and device."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Denoiser, fingerprint
from symdiff.diffusion.schedule import Schedule, Time


class ClosedFormDenoiser(Denoiser):
    """An optimal denoiser known exactly, ``x0hat = E[x_0 | x_t]``, for data of a given law.

    Parameters
    ----------
    name, shape, schedule
        As in `Denoiser`; ``schedule=None`` is the linear schedule with T = 1000.
    parameters
        Float64 tensors that define the law; subclasses read them back with `_parameters_like`.
    """

    def __init__(
        self, name: str, shape: tuple[int, int, int], schedule: Schedule | None, parameters: tuple[Tensor, ...]
    ) -> None:
        schedule = schedule if schedule is not None else Schedule.linear()
        digest = fingerprint(f"{type(self).__name__}{shape}", schedule.alpha_bar, *parameters)
        super().__init__(name, shape, schedule, digest)
        self._parameters = parameters
        self._casts: dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]] = {}

    def _parameters_like(self, x: Tensor) -> tuple[Tensor, ...]:
        key = (x.dtype, x.device)
        if key not in self._casts:
            self._casts[key] = tuple(parameter.to(x.device, x.dtype) for parameter in self._parameters)
        return self._casts[key]

    def denoise(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch c h w"]:
        """``E[x_0 | x_t = x]``."""
        if t == 0:
            return x
        return self._posterior_mean(x.flatten(1), t).reshape(x.shape)

    def posterior_covariance(self, x: Float[Tensor, "batch c h w"], t: Time) -> Float[Tensor, "batch d d"]:
        """``Cov[x_0 | x_t = x]``, for t > 0.

        The Jacobian of the optimal denoiser is ``(A / sigma^2)`` times this matrix, hence symmetric and positive
        semidefinite (the second-order Tweedie identity).
        """
        return self._posterior_covariance(x.flatten(1), t)

    @abstractmethod
    def _posterior_mean(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        """The posterior mean for flat states."""

    @abstractmethod
    def _posterior_covariance(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d d"]:
        """The posterior covariance for flat states."""
