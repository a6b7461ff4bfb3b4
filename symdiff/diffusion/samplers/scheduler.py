"""Samplers that let a scheduler of diffusers take the steps, and know its coefficients in closed form."""

from __future__ import annotations

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.samplers.base import Model, Noise, Sampler, Stepper, StepTable
from symdiff.diffusion.samplers.kinds import Scheduler, SchedulerKind
from symdiff.diffusion.samplers.limiting import limit
from symdiff.diffusion.samplers.prediction import from_x0hat, to_x0hat
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError


class SchedulerSampler(Sampler):
    """Steps of a scheduler; `coefficients` are those of its `SchedulerKind`."""

    @abstractmethod
    def kind(self) -> SchedulerKind:
        """How the scheduler is read."""

    @abstractmethod
    def scheduler(self, schedule: Schedule) -> Scheduler:
        """A scheduler of one's own, since stepping changes it."""

    def ready(self, schedule: Schedule, steps: int) -> Scheduler:
        """A scheduler of one's own with the timesteps of a run set.

        Raises
        ------
        ConfigError
            `steps` is out of range, or the library refuses it.
        """
        schedule.check_steps(steps)
        scheduler = self.scheduler(schedule)
        try:
            scheduler.set_timesteps(steps)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise ConfigError(
                f"{type(scheduler).__name__} refuses a run of {steps} steps: {error}", "choose another number of steps"
            ) from error
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)  # it would look for the first timestep, and find a later one if it is repeated
        return scheduler

    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """From the scheduler's noise levels; raises `ConfigError` where it cannot make a run of `steps` steps."""
        return self.kind().table(self.ready(schedule, steps), schedule, steps)

    def start(self, model: Model, table: StepTable, noise: Noise, clip: bool = False) -> Stepper:
        """Begin a run; `clip` does nothing where the scheduler limits x0hat itself."""
        kind = self.kind()
        scheduler = self.ready(model.schedule, table.steps)
        return SchedulerStepper(kind, scheduler, model, table, noise, clip and self.clips is None)


class SchedulerStepper(Stepper):
    """One run of a scheduler.

    A network that predicts noise or a velocity that the scheduler can be given is asked for just that, at the input
    the scheduler prepares and at its own timestep: this is what the network's pipeline does, to the last bit. From any
    other model x0hat is taken, at the noise level of the state, and converted.

    Parameters
    ----------
    kind, scheduler
        The scheduler, its timesteps set, and how it is read.
    model, table, noise
        As for `Sampler.start`.
    clip
        Clip x0hat to [-1, 1] before the scheduler sees it.
    """

    def __init__(
        self, kind: SchedulerKind, scheduler: Scheduler, model: Model, table: StepTable, noise: Noise, clip: bool
    ) -> None:
        self.kind, self.scheduler, self.model, self.table, self.clip = kind, scheduler, model, table, clip
        names = kind.predictions(scheduler.config)
        self.unconverted = model.prediction != "sample" and model.prediction in names and not clip
        self.given: Prediction = model.prediction if self.unconverted else next(iter(names))
        if names[self.given]:
            scheduler.register_to_config(prediction_type=names[self.given])
        self.scale, self.alpha_bar = table.scale.tolist(), table.alpha_bar.tolist()
        self.timesteps = scheduler.timesteps.tolist()
        draws = bool(table.noise_std.any())
        self.arguments = kind.arguments(scheduler, noise.generators() if draws else None)
        self.calls = 0

    def __call__(self, x: Float[Tensor, "batch c h w"], i: int) -> tuple[Tensor, Tensor]:
        """Step i: the estimate of its first call, and the state after its last."""
        x0hat, after = self._ask(x, i)
        while self.calls < len(self.timesteps) and not getattr(self.scheduler, "state_in_first_order", True):
            _, after = self._ask(after, i + 1)
        return x0hat, after

    def _ask(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """One call of the model, at the noise level of state `level`."""
        timestep, number = self.scheduler.timesteps[self.calls], float(self.timesteps[self.calls])
        self.calls += 1
        given = self.kind.model_input(self.scheduler, x, timestep, self.scale[level])
        time, alpha_bar = self.table.time(level), self.alpha_bar[level]
        if self.unconverted:
            output = self.model.predict(given, self.kind.own_time(number, time))
            x0hat = to_x0hat(self.given, output, given, alpha_bar)
        else:
            x0hat = self.model.denoise(given, time)
            x0hat = x0hat.clamp(-1, 1) if self.clip else x0hat
            output = from_x0hat(self.given, x0hat, given, alpha_bar)
        after = self.kind.step(self.scheduler, output, timestep, x, self.arguments)
        return limit(x0hat, self.scheduler.config, self.kind.limits), after.to(x.dtype)
