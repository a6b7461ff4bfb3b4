"""TEMPORARY stand-in: schedulers of diffusers as schedule and sampler, DDPM and DDIM only.

To be replaced as a whole by the module that knows every scheduler; nothing else may be built on it than its two names.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from symdiff.diffusion.samplers.base import Model, Noise, Sampler, Stepper, StepTable, posterior_coefficients
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError


def schedule_of(scheduler: Any) -> Schedule:
    """The noise schedule of a scheduler with `alphas_cumprod`."""
    _known(scheduler)
    products = scheduler.alphas_cumprod.double()
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), products]))


def scheduler_sampler(scheduler: Any) -> Sampler:
    """The scheduler as a sampler that calls its own ``step``."""
    _known(scheduler)
    return _Scheduled(scheduler)


def _known(scheduler: Any) -> None:
    if type(scheduler).__name__ not in ("DDPMScheduler", "DDIMScheduler"):
        raise ConfigError(
            f"the scheduler {type(scheduler).__name__} is not supported", "choose --sampler ddpm or --sampler ddim"
        )


class _Scheduled(Sampler):
    name: ClassVar[str] = "scheduler"

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def settings(self) -> dict[str, Any]:
        """The scheduler's own configuration."""
        kept = {key: value for key, value in self.scheduler.config.items() if not key.startswith("_")}
        return {"name": type(self.scheduler).__name__, **kept}

    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """The coefficients of deterministic DDIM or of DDPM between the scheduler's timesteps."""
        self.scheduler.set_timesteps(steps)
        timesteps = torch.tensor([*(int(t) + 1 for t in self.scheduler.timesteps), 0])
        alpha_bar = schedule.alpha_bar[timesteps]
        state, denoised, small, _ = posterior_coefficients(alpha_bar)
        if type(self.scheduler).__name__ == "DDPMScheduler":
            return StepTable(timesteps, alpha_bar, state, denoised, small.sqrt())
        alpha_bar[-1] = float(self.scheduler.final_alpha_cumprod)
        now, after = alpha_bar[:-1], alpha_bar[1:]
        kept = ((1 - after) / (1 - now)).sqrt()
        return StepTable(timesteps, alpha_bar, kept, after.sqrt() - kept * now.sqrt(), torch.zeros_like(kept))

    def start(self, model: Model, table: StepTable, noise: Noise, clip: bool = False) -> Stepper:
        """Begin a run."""
        self.scheduler.set_timesteps(table.steps)
        return _Steps(self.scheduler, model, table, noise.generators())


class _Steps(Stepper):
    def __init__(self, scheduler: Any, model: Model, table: StepTable, generators: list[torch.Generator]) -> None:
        self.scheduler, self.model, self.table, self.generators = scheduler, model, table, generators

    def __call__(self, x: Tensor, i: int) -> tuple[Tensor, Tensor]:
        output = self.model.predict(x, self.table.time(i))
        stepped = self.scheduler.step(output, self.scheduler.timesteps[i], x, generator=self.generators)
        return stepped.pred_original_sample, stepped.prev_sample
