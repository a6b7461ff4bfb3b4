"""What every reverse step has in common: ``x' = P x + Q x0hat + s z``, and the three gauges that follow from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError

GAUGES = ("v", "eps", "x0")


@dataclass(frozen=True, eq=False)
class StepTable:
    """Coefficients of the steps of one run, in the order of sampling.

    Step i goes from ``timesteps[i]`` to ``timesteps[i+1]`` by ``x' = P[i] x + Q[i] x0hat + noise_std[i] z``.

    Attributes
    ----------
    timesteps
        ``[steps+1]`` training times, T first, 0 last.
    alpha_bar
        ``[steps+1]`` float64.
    P, Q, noise_std
        ``[steps]`` float64.
    """

    timesteps: Int[Tensor, " time"]
    alpha_bar: Float[Tensor, " time"]
    P: Float[Tensor, " steps"]
    Q: Float[Tensor, " steps"]
    noise_std: Float[Tensor, " steps"]

    @property
    def steps(self) -> int:
        """Number of reverse steps."""
        return len(self.P)

    def gauge(self, name: str) -> Float[Tensor, " steps"]:
        """The scalar a of each step's element ``(a, v)``, by what is held fixed while the step is differentiated.

        ``"x0"`` holds x0hat fixed, ``"eps"`` the predicted noise, ``"v"`` the predicted velocity ``A eps - sigma x0``
        (Salimans and Ho 2022). With ``A = sqrt(alpha_bar)`` before the step they are P, ``P + Q/A`` and ``P + QA``.
        A value of 0 or infinity means that the step is not in GL(d+1) in this gauge: ``x0`` on a step that ends at
        clean data, ``eps`` where alpha_bar is 0.

        Raises
        ------
        ConfigError
            For a name other than v, eps, x0.
        """
        signal = self.alpha_bar[:-1].sqrt()
        if name == "x0":
            return self.P.clone()
        if name == "eps":
            return self.P + self.Q / signal
        if name == "v":
            return self.P + self.Q * signal
        raise ConfigError(f"there is no gauge {name!r}", f"choose one of {', '.join(GAUGES)}")

    def gauges(self) -> dict[str, Float[Tensor, " steps"]]:
        """All three gauges by name."""
        return {name: self.gauge(name) for name in GAUGES}


class Sampler(ABC):
    """A rule that turns a schedule and a number of steps into a `StepTable`."""

    name: ClassVar[str]

    @abstractmethod
    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """The coefficients of a run of `steps` steps; raises `ConfigError` unless ``1 <= steps <= T``."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Name and parameters as plain data, enough to make the sampler again."""

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


def visited(schedule: Schedule, steps: int) -> tuple[Int[Tensor, " time"], Float[Tensor, " time"]]:
    """Times of a run and the cumulative products there."""
    timesteps = schedule.timesteps(steps)
    return timesteps, schedule.alpha_bar[timesteps].to(torch.float64)
