"""What symdiff has to know about one class of diffusers schedulers."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Coordinates, StepTable
from symdiff.diffusion.samplers.first_order import Coefficients, first_order
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ConfigError

Levels = tuple[Float[Tensor, " time"], Float[Tensor, " time"]]
"""A and S of every state ``A x_0 + S eps`` of a run, float64."""

Scheduler = Any
"""A scheduler of diffusers; the library is optional and has no protocol for its schedulers."""


class SchedulerKind(ABC):
    """Reads the noise levels of a scheduler, writes down its steps in closed form, and drives it.

    Coefficients are float64 and follow from the levels (which the library keeps in float32), never from probing.

    Attributes
    ----------
    class_name
        Of the class in diffusers.
    offset
        A training time of symdiff is the scheduler's timestep plus this; ``None`` if its timesteps are no training
        steps.
    coordinates
        How states are written.
    limits
        Which settings that limit x0hat the class looks at.
    """

    class_name: ClassVar[str]
    offset: ClassVar[int | None] = 1
    coordinates: Coordinates = "vp"
    limits: ClassVar[tuple[str, ...]] = ()

    def refusal(self, config: Mapping[str, Any]) -> str | None:
        """Why a scheduler of this configuration cannot be used; ``None`` if it can."""
        return None

    @abstractmethod
    def predictions(self, config: Mapping[str, Any]) -> dict[Prediction, str]:
        """What the scheduler can be given, by the library's name of it; the first is what x0hat is converted to."""

    @abstractmethod
    def levels(self, scheduler: Scheduler) -> Levels:
        """Noise levels of a run, for a scheduler whose timesteps are set."""

    def timesteps(self, scheduler: Scheduler) -> Float[Tensor, " steps"]:
        """The scheduler's own timestep of every state but the last."""
        timesteps: Tensor = scheduler.timesteps
        return timesteps.double().cpu()

    def coefficients(self, scheduler: Scheduler, levels: Levels) -> Coefficients:
        """P, Q and the injected noise of every step, or those of its first-order form."""
        return first_order(*levels, stochastic=False)

    def one_step(self, config: Mapping[str, Any]) -> bool:
        """Whether the coefficients say all of a step."""
        return True

    def undefined(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Gauges there are none of."""
        return ()

    def table(self, scheduler: Scheduler, schedule: Schedule, steps: int) -> StepTable:
        """The run of a scheduler whose timesteps are set, on a denoiser's schedule.

        Raises
        ------
        ConfigError
            The scheduler makes another number of steps, begins beyond its training, or its noise grows on the way.
        """
        timesteps = self.timesteps(scheduler)
        first, trained = float(timesteps[0]), scheduler.config.num_train_timesteps
        if len(timesteps) != steps:  # rounding in the library's "trailing" spacing
            raise ConfigError(
                f"{self.class_name} makes {len(timesteps)} steps where {steps} were asked for",
                "choose another number of steps, or another timestep spacing",
            )
        if self.offset is not None and first + self.offset > trained:
            raise ConfigError(
                f"{self.class_name} would begin a run of {steps} steps at timestep {first:g} of {trained}",
                "choose fewer steps, or another steps_offset",
            )
        signal, noise = self.levels(scheduler)
        variance = signal.square() + noise.square()
        alpha_bar = signal.square() / variance
        if bool((alpha_bar.diff() < 0).any()):
            raise ConfigError(
                f"the noise of {self.class_name} does not fall from state to state in a run of {steps} steps",
                "choose fewer steps, or another timestep spacing",
            )
        found = self.coefficients(scheduler, (signal, noise))
        return StepTable(
            timesteps=self._times(scheduler, schedule, alpha_bar),
            alpha_bar=alpha_bar,
            P=found.P,
            Q=found.Q,
            noise_std=found.std,
            coordinates=self.coordinates,
            one_step=self.one_step(scheduler.config),
            undefined=self.undefined(scheduler.config),
            first_std=float(getattr(scheduler, "init_noise_sigma", 1.0)),
        )

    def _times(self, scheduler: Scheduler, schedule: Schedule, alpha_bar: Tensor) -> Tensor:
        """Where the denoiser's schedule has these levels; a whole training step of the scheduler's is kept as it is."""
        times = schedule.time_of(alpha_bar)
        if self.offset is not None:
            own = self.timesteps(scheduler) + self.offset
            own = torch.cat([own, times[-1:].round()])
            # The library's float32 tables are off by up to 1e-3 at the cleanest steps: within half a step is the step.
            times = torch.where((own == own.round()) & ((own - times).abs() < 0.5), own, times)
        return times.long() if bool((times == times.round()).all()) else times

    def own_time(self, timestep: float, nearby: Time) -> Time:
        """The time a network is asked for, when it is given to the scheduler unconverted.

        Between training steps the scheduler's own timestep, which the network's pipeline would use, and `nearby`, the
        time of the same noise level on the denoiser's schedule, differ by their interpolation.
        """
        if self.offset is None or abs(timestep + self.offset - nearby) >= 1:
            return nearby
        time = timestep + self.offset
        return int(time) if time.is_integer() else time

    def model_input(self, scheduler: Scheduler, x: Tensor, timestep: Tensor, scale: float) -> Tensor:
        """The state with A^2 + S^2 = 1: what the scheduler itself makes of it, to the last bit."""
        scaled: Tensor = scheduler.scale_model_input(x, timestep)
        return scaled

    def arguments(self, scheduler: Scheduler, generators: list[torch.Generator] | None) -> dict[str, Any]:
        """What ``scheduler.step`` is given besides the model's output, the timestep and the state."""
        if generators and "generator" in inspect.signature(scheduler.step).parameters:
            return {"generator": generators}
        return {}

    def step(
        self, scheduler: Scheduler, output: Tensor, timestep: Tensor, x: Tensor, arguments: dict[str, Any]
    ) -> Tensor:
        """The next state, or the next point at which the model is to be asked."""
        after: Tensor = scheduler.step(output, timestep, x, **arguments).prev_sample
        return after

    # --- the schedule a model was trained on ----------------------------------------------------

    def schedule(self, scheduler: Scheduler) -> Schedule:
        """The noise schedule of a model that came with this scheduler: here its table of cumulative products."""
        alpha_bar = scheduler.alphas_cumprod.double().cpu()
        return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar]))

    def timestep(self, scheduler: Scheduler, t: Time) -> Time:
        """The timestep the scheduler's own model is given at training time `t`."""
        return t - (self.offset or 0)
