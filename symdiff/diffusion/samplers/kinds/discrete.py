"""Schedulers that step on a table of cumulative products: DDPM and DDIM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import posterior_coefficients
from symdiff.diffusion.samplers.ddim import ddim_coefficients
from symdiff.diffusion.samplers.first_order import Coefficients
from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.samplers.limiting import CLIP, THRESHOLD, limit_in_words

PREDICTIONS: dict[Prediction, str] = {"sample": "sample", "epsilon": "epsilon", "v_prediction": "v_prediction"}

SMALL, LARGE = ("fixed_small", "fixed_small_log"), ("fixed_large",)

LEAST_VARIANCE = 1e-20
"""What DDPMScheduler raises a posterior variance to: the step onto clean data then adds noise of 1e-10."""


class DDPMKind(SchedulerKind):
    """``DDPMScheduler``: samples the posterior between the timesteps of the run (Ho et al. 2020, Eqs. 6-7)."""

    class_name = "DDPMScheduler"
    limits = (CLIP, THRESHOLD)

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Variances that are learned, and the one of which the library takes the root of a negative logarithm."""
        variance = config["variance_type"]
        if variance == "fixed_large_log":
            return "variance_type 'fixed_large_log': its step takes the square root of a negative logarithm, NaN"
        return None if variance in SMALL + LARGE else f"variance_type {variance!r}: learned variances are not read"

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """Noise, image and velocity."""
        return PREDICTIONS

    def levels(self, scheduler: Scheduler) -> Levels:
        """Of the timesteps; the run ends at clean data."""
        visited = scheduler.alphas_cumprod.double()[scheduler.timesteps.cpu()]
        return _variance_preserving(torch.cat([visited, torch.ones(1, dtype=torch.float64)]))

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """The posterior's, whatever the variance of the noise; none is drawn at timestep 0."""
        state, denoised, small, large = posterior_coefficients(levels[0].square())
        variance = small.clamp(min=LEAST_VARIANCE) if scheduler.config.variance_type in SMALL else large
        return Coefficients(state, denoised, torch.where(scheduler.timesteps.cpu() > 0, variance, 0.0).sqrt())


class DDIMKind(SchedulerKind):
    """``DDIMScheduler`` with eta = 0, as its pipelines run it.

    The level a step ends at is that of the timestep ``t - T // steps``, which need not be the next timestep of the run:
    with spacings other than "leading" the next step reads the state as one of a slightly other level.
    """

    class_name = "DDIMScheduler"
    limits = (CLIP, THRESHOLD)

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """Noise, image and velocity."""
        return PREDICTIONS

    def levels(self, scheduler: Scheduler) -> Levels:
        """The levels states are read at, and the one the last step ends at."""
        visited = scheduler.alphas_cumprod.double()[scheduler.timesteps.cpu()]
        return _variance_preserving(torch.cat([visited, self._reached(scheduler)[-1:]]))

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """DDIM's, from the level a state is read at to the one its step ends at."""
        return Coefficients(*ddim_coefficients(levels[0][:-1].square(), self._reached(scheduler), eta=0.0))

    def one_step(self, config: Mapping[str, Any]) -> bool:
        """Not where x0hat is limited: the noise estimate is then still that of the image before."""
        return limit_in_words(config, self.limits) is None

    def _reached(self, scheduler: Scheduler) -> Tensor:
        """``alpha_bar`` at the end of every step; ``final_alpha_cumprod`` past the first training step."""
        table = scheduler.alphas_cumprod.double()
        end = scheduler.timesteps.cpu() - scheduler.config.num_train_timesteps // scheduler.num_inference_steps
        return torch.where(end >= 0, table[end.clamp(min=0)], scheduler.final_alpha_cumprod.double())


def _variance_preserving(alpha_bar: Tensor) -> Levels:
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
