"""Schedulers that step on ``x_0 + S eps``: Euler, Euler ancestral, Heun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Coordinates
from symdiff.diffusion.samplers.first_order import Coefficients, first_order
from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.samplers.kinds.discrete import PREDICTIONS
from symdiff.diffusion.samplers.limiting import CLIP


class EulerKind(SchedulerKind):
    """``EulerDiscreteScheduler`` without churn (Karras et al. 2022, Algorithm 1 with one call a step)."""

    class_name = "EulerDiscreteScheduler"
    coordinates: Coordinates = "ve"

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Timesteps that are logarithms of the noise, for networks trained without training steps."""
        return "timestep_type 'continuous'" if config.get("timestep_type") == "continuous" else None

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """Noise, image and velocity."""
        return PREDICTIONS

    def levels(self, scheduler: Scheduler) -> Levels:
        """A = 1."""
        noise = scheduler.sigmas.double()
        return torch.ones_like(noise), noise


class EulerAncestralKind(EulerKind):
    """``EulerAncestralDiscreteScheduler``: keeps the share S'/S of the noise and draws the rest."""

    class_name = "EulerAncestralDiscreteScheduler"

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """Not the image. From the velocity the library recovers x0hat to rounding at every level, from noise not."""
        return {"v_prediction": "v_prediction", "epsilon": "epsilon"}

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """``P = (S'/S)^2``, ``std^2 = S'^2 (S^2 - S'^2) / S^2``."""
        return first_order(*levels, stochastic=True)


class HeunKind(EulerKind):
    """``HeunDiscreteScheduler``: a step is two calls of the model, the last one is a single call.

    Its coefficients are Euler's, by convention: the second call, at a point that depends on x, has no x0hat of its own
    in the recording. There is no gauge x0.
    """

    class_name = "HeunDiscreteScheduler"
    limits = (CLIP,)

    def levels(self, scheduler: Scheduler) -> Levels:
        """Every level but the first and the last is listed once for each of its two calls."""
        noise = scheduler.sigmas.double()
        noise = torch.cat([noise[:1], noise[1::2]])
        return torch.ones_like(noise), noise

    def timesteps(self, scheduler: Scheduler) -> Float[Tensor, " steps"]:
        """Those of the first calls."""
        timesteps = scheduler.timesteps.double().cpu()
        return torch.cat([timesteps[:1], timesteps[1::2]])

    def one_step(self, config: Mapping[str, Any]) -> bool:
        """The second call is left out."""
        return False

    def undefined(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Two estimates x0hat, and none to hold fixed."""
        return ("x0",)
