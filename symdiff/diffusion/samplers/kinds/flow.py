"""Flow matching: Euler's rule on the straight path ``(1-s) x_0 + s eps``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Coordinates
from symdiff.diffusion.samplers.first_order import Coefficients, first_order
from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.schedule import Schedule


class FlowEulerKind(SchedulerKind):
    """``FlowMatchEulerDiscreteScheduler`` (Lipman et al. 2023; Esser et al. 2024)."""

    class_name = "FlowMatchEulerDiscreteScheduler"
    offset = 0
    coordinates: Coordinates = "flow"

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Levels chosen for the size of each image, and levels that count the other way."""
        return next((name for name in ("use_dynamic_shifting", "invert_sigmas") if config.get(name)), None)

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """The velocity of the path; the class has no setting for it."""
        return {"flow": ""}

    def levels(self, scheduler: Scheduler) -> Levels:
        """``(1 - s, s)``."""
        noise = scheduler.sigmas.double().cpu()
        return 1 - noise, noise

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """``P = s'/s``, ``Q = 1 - s'/s``; with stochastic sampling all noise is drawn anew."""
        if not scheduler.config.stochastic_sampling:
            return first_order(*levels, stochastic=False)
        signal, noise = levels
        return Coefficients(torch.zeros_like(noise[1:]), signal[1:], noise[1:])

    def model_input(self, scheduler: Scheduler, x: Tensor, timestep: Tensor, scale: float) -> Tensor:
        """The class scales nothing: its own models are given the state of the path."""
        return x if scale == 1 else x / scale

    def schedule(self, scheduler: Scheduler) -> Schedule:
        """The straight path at ``s = t/T``."""
        return flow_schedule(scheduler.config.num_train_timesteps)


def flow_schedule(T: int) -> Schedule:
    """The straight path as a schedule: ``alpha_bar(t) = (1-s)^2 / ((1-s)^2 + s^2)`` with ``s = t/T``; 0 at T."""
    s = torch.arange(T + 1, dtype=torch.float64) / T
    return Schedule((1 - s).square() / ((1 - s).square() + s.square()))
