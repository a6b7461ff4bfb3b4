"""Schedulers that come with a model, such as that of a pipeline of diffusers."""

from __future__ import annotations

import copy
import math
from typing import Any

from symdiff.diffusion.samplers.kinds import DDPMKind, Scheduler, SchedulerKind, kind_of
from symdiff.diffusion.samplers.limiting import limit_in_words
from symdiff.diffusion.samplers.scheduler import SchedulerSampler
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ConfigError


class OwnScheduler(SchedulerSampler):
    """A scheduler as it is configured; see `scheduler_sampler`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._kind = kind_of(scheduler)
        self._scheduler = copy.deepcopy(scheduler)
        self.name = type(scheduler).__name__

    @property
    def clips(self) -> str | None:
        """What its configuration does to x0hat."""
        return limit_in_words(self._scheduler.config, self._kind.limits)

    def settings(self) -> dict[str, Any]:
        """The class, as the name, and its configuration."""
        return {"name": self.name, "config": _plain(dict(self._scheduler.config))}

    def __repr__(self) -> str:
        """The class."""
        return f"<scheduler_sampler of {self.name}>"

    def kind(self) -> SchedulerKind:
        """That of its class."""
        return self._kind

    def scheduler(self, schedule: Schedule) -> Scheduler:
        """A copy. It keeps its own noise levels: the denoiser's schedule only says at which times they are."""
        return copy.deepcopy(self._scheduler)


def scheduler_sampler(scheduler: Scheduler) -> SchedulerSampler:
    """The sampler that steps as this scheduler of diffusers does.

    Parameters
    ----------
    scheduler
        Any scheduler of a class in `symdiff.diffusion.samplers.kinds.KINDS`; it is copied. Its ``prediction_type`` does
        not matter: the model says what it predicts.

    Raises
    ------
    ConfigError
        The class or a setting is not supported; the supported classes are named.
    """
    return OwnScheduler(scheduler)


def schedule_of(scheduler: Scheduler) -> Schedule:
    """The noise schedule a model with this scheduler was trained on.

    For DDPM, DDIM, Euler, Heun and DPM-Solver the table of cumulative products, and so for every other scheduler that
    has one: a model can be sampled otherwise than by the scheduler it came with. For flow matching the straight path at
    ``s = t/T``; for EDM levels evenly spaced in ``log S`` from sigma_min to sigma_max.

    Raises
    ------
    ConfigError
        As `scheduler_sampler`, where there is no table either.
    """
    return _trained_by(scheduler).schedule(scheduler)


def scheduler_timestep(scheduler: Scheduler, t: Time) -> Time:
    """The timestep a model with this scheduler is given at time `t` of `schedule_of`.

    symdiff counts from 0, clean data, a scheduler's table from its first noisy level: ``t - 1`` for those with a
    table, ``t`` for flow matching, ``log(S)/4`` for EDM.
    """
    return _trained_by(scheduler).timestep(scheduler, t)


def _trained_by(scheduler: Scheduler) -> SchedulerKind:
    """What says the schedule of a model that came with this scheduler."""
    try:
        return kind_of(scheduler)
    except ConfigError:
        config = scheduler.config
        of_another_kind = config.get("use_flow_sigmas") or config.get("timestep_type", "discrete") != "discrete"
        if of_another_kind or not hasattr(scheduler, "alphas_cumprod"):
            raise
        return DDPMKind()


def _plain(value: Any) -> Any:
    """Configuration as JSON data: private entries left out, arrays as lists, infinities by name."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not key.startswith("_")}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
