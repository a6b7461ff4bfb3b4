"""Schedulers of Karras et al. 2022 (EDM): levels are chosen freely and networks are preconditioned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Coordinates
from symdiff.diffusion.samplers.first_order import Coefficients, first_order
from symdiff.diffusion.samplers.kinds.base import Levels, Scheduler, SchedulerKind
from symdiff.diffusion.samplers.kinds.dpmsolver import ALGORITHMS, STOCHASTIC
from symdiff.diffusion.samplers.limiting import THRESHOLD
from symdiff.diffusion.schedule import Schedule, Time

MAX_CHURN = math.sqrt(2) - 1
"""Largest relative increase of the noise level by churn (Karras et al. 2022, Algorithm 2)."""


class EDMEulerKind(SchedulerKind):
    """``EDMEulerScheduler``, with churn or without.

    Churn raises the level to ``S^ = (1 + gamma) S`` with fresh noise before the step, ``gamma = min(churn/steps,
    sqrt(2) - 1)``. As in the library the model is asked before that, at S.

    Parameters
    ----------
    churn
        Amount of noise added over the run.
    churn_noise
        Factor of its standard deviation.
    """

    class_name = "EDMEulerScheduler"
    offset = None
    coordinates: Coordinates = "ve"

    def __init__(self, churn: float = 0.0, churn_noise: float = 1.0) -> None:
        self.churn, self.churn_noise = churn, churn_noise

    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """The image, past the scheduler's preconditioning."""
        return {"sample": ""}

    def levels(self, scheduler: Scheduler) -> Levels:
        """A = 1."""
        noise = scheduler.sigmas.double()
        return torch.ones_like(noise), noise

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """Euler's from the raised level: ``P = S'/S^``, and the added noise shrunk by P."""
        _, noise = levels
        gamma = min(self.churn / (len(noise) - 1), MAX_CHURN)
        state = noise[1:] / (noise[:-1] * (1 + gamma))
        added = self.churn_noise * noise[:-1] * math.sqrt(gamma * (2 + gamma))
        return Coefficients(state, 1 - state, state * added)

    def model_input(self, scheduler: Scheduler, x: Tensor, timestep: Tensor, scale: float) -> Tensor:
        """Not the scheduler's own scaling, ``x / sqrt(S^2 + sigma_data^2)``, which belongs to its networks."""
        scheduler.scale_model_input(x, timestep)  # which it insists on
        return x / scale

    def arguments(self, scheduler: Scheduler, generators: list[torch.Generator] | None) -> dict[str, Any]:
        """Generators and churn."""
        churn = {"s_churn": self.churn, "s_noise": self.churn_noise} if self.churn else {}
        return super().arguments(scheduler, generators) | churn

    def step(
        self, scheduler: Scheduler, output: Tensor, timestep: Tensor, x: Tensor, arguments: dict[str, Any]
    ) -> Tensor:
        """With x0hat as it is."""
        return super().step(scheduler, output, timestep, x, arguments | {"pred_original_sample": output})

    def schedule(self, scheduler: Scheduler) -> Schedule:
        """T levels evenly spaced in ``log S`` from sigma_min to sigma_max, ``alpha_bar = 1/(1 + S^2)``."""
        config = scheduler.config
        ends = math.log(config.sigma_min), math.log(config.sigma_max)
        noise = torch.linspace(*ends, config.num_train_timesteps, dtype=torch.float64).exp()
        return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), 1 / (1 + noise.square())]))

    def timestep(self, scheduler: Scheduler, t: Time) -> Time:
        """``log(S)/4``, what EDM's networks are given (Karras et al. 2022, Table 1)."""
        alpha_bar = self.schedule(scheduler).alpha_bar_at(t)
        return (math.log1p(-alpha_bar) - math.log(alpha_bar)) / 8


class EDMSolverKind(EDMEulerKind):
    """``EDMDPMSolverMultistepScheduler``: DPM-Solver++ on ``x_0 + S eps``."""

    class_name = "EDMDPMSolverMultistepScheduler"
    limits = (THRESHOLD,)

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """The stochastic solver of order 3, which the library does not have."""
        if config["algorithm_type"] not in ALGORITHMS:
            return f"algorithm_type {config['algorithm_type']!r}, only {' and '.join(ALGORITHMS)}"
        missing = config["algorithm_type"] == STOCHASTIC and config["solver_order"] > 2
        return f"algorithm_type {STOCHASTIC!r} of order 3, which the library lacks" if missing else None

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """Those of order 1: Euler's, or the ancestral ones."""
        return first_order(*levels, stochastic=scheduler.config.algorithm_type == STOCHASTIC)

    def one_step(self, config: Mapping[str, Any]) -> bool:
        """Order 1 alone has no memory."""
        return bool(config["solver_order"] == 1)

    def step(
        self, scheduler: Scheduler, output: Tensor, timestep: Tensor, x: Tensor, arguments: dict[str, Any]
    ) -> Tensor:
        """With the network output that the scheduler's preconditioning turns into x0hat."""
        # Of its two parts each is read off at an input of zeros and ones.
        level = scheduler.sigmas[scheduler.step_index]
        zero, one = torch.zeros((), dtype=x.dtype), torch.ones((), dtype=x.dtype)
        skip = float(scheduler.precondition_outputs(one, zero, level))
        out = float(scheduler.precondition_outputs(zero, one, level))
        return SchedulerKind.step(self, scheduler, (output - skip * x) / out, timestep, x, arguments)
