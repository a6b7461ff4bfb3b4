"""What every reverse step has in common: ``x' = P x + Q x0hat + s z``, and the three gauges that follow from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Real
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction
from symdiff.diffusion.schedule import Schedule, Time
from symdiff.errors import ConfigError

GAUGES = ("v", "eps", "x0")

Coordinates = Literal["vp", "ve", "flow"]
"""How a sampler writes the state with signal-to-noise ratio A/sigma: ``A x_0 + sigma eps`` with A^2 + sigma^2 = 1,
``x_0 + S eps``, or ``(1-s) x_0 + s eps``."""


@dataclass(frozen=True, eq=False)
class StepTable:
    """Coefficients of the steps of one run, in the order of sampling.

    Step i goes from state i to state i+1 by ``x' = P[i] x + Q[i] x0hat + noise_std[i] z``. Where a sampler uses more
    than that (earlier estimates, a second call of the model), `one_step` is false, and P and Q are those of its
    first-order form, which the gauges are read from.

    Attributes
    ----------
    timesteps
        ``[steps+1]`` training times, noise first, 0 last; whole or between two training steps.
    alpha_bar
        ``[steps+1]`` float64: share of the signal in the variance of the state for x_0 of unit variance.
    P, Q, noise_std
        ``[steps]`` float64.
    coordinates
        How states are written.
    one_step
        Whether P, Q and noise_std say all of the step.
    undefined
        Gauges this sampler has none of: NaN at every step.
    first_std
        Standard deviation of the first state, where the sampler has its own convention; ``None`` means ``scale[0]``,
        that of noised data of unit variance.
    """

    timesteps: Real[Tensor, " time"]
    alpha_bar: Float[Tensor, " time"]
    P: Float[Tensor, " steps"]
    Q: Float[Tensor, " steps"]
    noise_std: Float[Tensor, " steps"]
    coordinates: Coordinates = "vp"
    one_step: bool = True
    undefined: tuple[str, ...] = ()
    first_std: float | None = None

    @property
    def start(self) -> float:
        """What standard normal noise is multiplied by to make the first state."""
        return float(self.scale[0]) if self.first_std is None else self.first_std

    @property
    def steps(self) -> int:
        """Number of reverse steps."""
        return len(self.P)

    @property
    def scale(self) -> Float[Tensor, " time"]:
        """``[steps+1]``: how many times larger a state is than ``sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps``."""
        signal, sigma = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()
        if self.coordinates == "ve":
            return 1 / signal
        return 1 / (signal + sigma) if self.coordinates == "flow" else torch.ones_like(signal)

    def time(self, i: int) -> Time:
        """The training time of state i as a plain number."""
        time: Time = self.timesteps[i].item()
        return time

    def gauge(self, name: str) -> Float[Tensor, " steps"]:
        """The scalar a of each step's element ``(a, v)``, by what is held fixed while the step is differentiated.

        ``"x0"`` holds x0hat fixed, ``"eps"`` the predicted noise, ``"v"`` the predicted velocity: ``A eps - sigma x0``
        (Salimans and Ho 2022), and ``eps - x0`` on the straight path of flow matching. With ``x = A x_0 + sigma eps``
        before the step they are P, ``P + Q/A`` and ``P + Q A/(A^2 + sigma^2)``, ``P + Q`` for flow matching.
        A value of 0 or infinity means that the step is not in GL(d+1) in this gauge: ``x0`` on a step that ends at
        clean data, ``eps`` where alpha_bar is 0. NaN means that the sampler has no such gauge.

        Raises
        ------
        ConfigError
            For a name other than v, eps, x0.
        """
        if name not in GAUGES:
            raise ConfigError(f"there is no gauge {name!r}", f"choose one of {', '.join(GAUGES)}")
        if name in self.undefined:
            return torch.full_like(self.P, torch.nan)
        if name == "x0":
            return self.P.clone()
        signal, scale = self.alpha_bar[:-1].sqrt(), self.scale[:-1]
        if name == "eps":
            return self.P + self.Q / (scale * signal)
        return self.P + self.Q * (1 if self.coordinates == "flow" else signal / scale)

    def gauges(self) -> dict[str, Float[Tensor, " steps"]]:
        """All three gauges by name."""
        return {name: self.gauge(name) for name in GAUGES}


@runtime_checkable
class Model(Protocol):
    """What a sampler asks: a `Denoiser`, or something that watches over one."""

    @property
    def prediction(self) -> Prediction:
        """What `predict` returns."""

    @property
    def schedule(self) -> Schedule:
        """The noise schedule it was trained on."""

    def denoise(self, x: Tensor, t: Time) -> Tensor:
        """``x0hat`` of states ``A x_0 + sigma eps`` with A^2 + sigma^2 = 1."""

    def predict(self, x: Tensor, t: Time) -> Tensor:
        """What the network itself returns there."""


@runtime_checkable
class Noise(Protocol):
    """The noise a batch of trajectories is injected with: a function of each trajectory alone."""

    def normal(self, i: int) -> Tensor:
        """Standard normal noise of step i, ``[batch, C, H, W]``; asked for in the order of the steps."""

    def generators(self) -> list[torch.Generator]:
        """One generator a trajectory, for samplers that draw for themselves."""


class Stepper(ABC):
    """One run of a sampler on one batch: whatever a sampler remembers from step to step is kept here."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "batch c h w"], i: int) -> tuple[Tensor, Tensor]:
        """Step i, called in order: the estimate x0hat made at `x`, and the next state."""


class Sampler(ABC):
    """A rule that turns a schedule and a number of steps into a `StepTable`."""

    name: str

    @property
    def clips(self) -> str | None:
        """How the sampler itself limits x0hat, in words; ``None`` if it does not. It makes the step nonlinear."""
        return None

    @abstractmethod
    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """The coefficients of a run of `steps` steps; raises `ConfigError` unless ``1 <= steps <= T``."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Name and parameters as plain data, enough to make the sampler again."""

    def start(self, model: Model, table: StepTable, noise: Noise, clip: bool = False) -> Stepper:
        """Begin a run.

        Parameters
        ----------
        model
            What is asked for x0hat.
        table
            From `coefficients`.
        noise
            Where injected noise comes from.
        clip
            Clip x0hat to [-1, 1] before each step, unless the sampler limits it already (`clips`).
        """
        return OneStep(self, model, table, noise, clip)

    def __repr__(self) -> str:
        """A form that can be read back."""
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.settings().items() if key != "name")
        return f"{type(self).__name__}({arguments})"

    def step(
        self,
        x: Float[Tensor, "batch c h w"],
        x0hat: Float[Tensor, "batch c h w"],
        table: StepTable,
        i: int,
        noise: Float[Tensor, "batch c h w"] | None = None,
    ) -> Float[Tensor, "batch c h w"]:
        """Step i of the run: ``P x + Q x0hat + noise_std noise``, in the dtype of `x`.

        Raises
        ------
        ConfigError
            If the step injects noise and `noise` is ``None``.
        """
        mean = float(table.P[i]) * x + float(table.Q[i]) * x0hat
        scale = float(table.noise_std[i])
        if scale == 0:
            return mean
        if noise is None:
            raise ConfigError(
                f"step {i} of {self!r} injects noise of standard deviation {scale:.3g} and none was given",
                "pass standard normal noise of the shape of x",
            )
        return mean + scale * noise


class OneStep(Stepper):
    """``x' = P x + Q x0hat + s z`` at every step."""

    def __init__(self, sampler: Sampler, model: Model, table: StepTable, noise: Noise, clip: bool) -> None:
        self.sampler, self.model, self.table, self.noise, self.clip = sampler, model, table, noise, clip
        self.scale = table.scale.tolist()

    def __call__(self, x: Float[Tensor, "batch c h w"], i: int) -> tuple[Tensor, Tensor]:
        """The estimate and the next state."""
        x0hat = self.model.denoise(x if self.scale[i] == 1 else x / self.scale[i], self.table.time(i))
        x0hat = x0hat.clamp(-1, 1) if self.clip else x0hat
        z = self.noise.normal(i) if float(self.table.noise_std[i]) else None
        return x0hat, self.sampler.step(x, x0hat, self.table, i, z)


def posterior_coefficients(
    alpha_bar: Float[Tensor, " time"],
) -> tuple[Float[Tensor, " steps"], Float[Tensor, " steps"], Float[Tensor, " steps"], Float[Tensor, " steps"]]:
    """Coefficients of ``q(x'|x, x_0) = N(P x + Q x_0, beta_tilde)`` along a run, and beta.

    Ho et al. 2020, Eqs. 6-7, with ``alpha = alpha_bar / alpha_bar'`` between *successive states of the run*, which
    need not be successive training steps.

    Parameters
    ----------
    alpha_bar
        ``[steps+1]`` in the order of sampling (increasing).

    Returns
    -------
    tuple
        ``P, Q, beta_tilde, beta``, each ``[steps]`` float64.
    """
    now, after = alpha_bar[:-1], alpha_bar[1:]
    alpha = now / after
    beta = (after - now) / after
    variance = 1 - now
    state = alpha.sqrt() * (1 - after) / variance
    denoised = after.sqrt() * beta / variance
    return state, denoised, beta * (1 - after) / variance, beta


def visited(schedule: Schedule, steps: int) -> tuple[Real[Tensor, " time"], Float[Tensor, " time"]]:
    """Times of a run and the cumulative products there."""
    timesteps = schedule.timesteps(steps)
    return timesteps, schedule.alpha_bar[timesteps].to(torch.float64)
