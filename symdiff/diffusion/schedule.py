"""The noise schedule of a variance-preserving diffusion, at whole training steps and between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.errors import ConfigError

Time = int | float
"""A training time: whole numbers are training steps, others lie between two of them."""

WHOLE = 1e-9
"""Times this close to a training step are that step: what is between them is rounding."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """Cumulative products of a variance-preserving process.

    ``q(x_t|x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)`` (Ho et al. 2020, Eq. 4). Time counts training
    steps: 0 is clean data, `T` the noisiest state.

    Attributes
    ----------
    alpha_bar
        ``[T+1]`` float64, decreasing from ``alpha_bar[0] = 1``; ``alpha_bar[T]`` may be 0 (zero terminal SNR).

    Raises
    ------
    ConfigError
        If the products do not start at 1 or do not strictly decrease within [0, 1].
    """

    alpha_bar: Float[Tensor, " time"]

    def __post_init__(self) -> None:
        alpha_bar = self.alpha_bar.detach().to("cpu", torch.float64)
        object.__setattr__(self, "alpha_bar", alpha_bar)
        if len(alpha_bar) < 2 or float(alpha_bar[0]) != 1.0:
            raise ConfigError(
                f"alpha_bar has {len(alpha_bar)} entries and starts at {alpha_bar[:1].tolist()}",
                "give T+1 cumulative products with alpha_bar[0] = 1 (clean data) and T >= 1",
            )
        falls = bool((alpha_bar.diff() < 0).all())
        if not falls or float(alpha_bar[-1]) < 0:
            raise ConfigError(
                f"alpha_bar does not strictly decrease within [0, 1] (it ends at {float(alpha_bar[-1]):g})",
                "give the cumulative products of alpha_t = 1 - beta_t with 0 < beta_t <= 1",
            )

    @classmethod
    def from_betas(cls, betas: Float[Tensor, " steps"]) -> Schedule:
        """The schedule of the training-step variances ``beta_1 ... beta_T``."""
        alpha_bar = torch.cumprod(1 - betas.to(torch.float64), dim=0)
        return cls(torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar]))

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> Schedule:
        """Linearly spaced variances (Ho et al. 2020); the end points are those of ``T = 1000``."""
        return cls.from_betas(torch.linspace(beta_start, beta_end, T, dtype=torch.float64))

    @classmethod
    def cosine(cls, T: int = 1000, max_beta: float = 0.999, offset: float = 0.008) -> Schedule:
        """Squared-cosine products with clipped variances (Nichol and Dhariwal 2021, Eq. 17)."""
        time = torch.arange(T + 1, dtype=torch.float64) / T
        f = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
        return cls.from_betas((1 - f[1:] / f[:-1]).clamp(max=max_beta))

    @property
    def T(self) -> int:
        """Number of training steps."""
        return len(self.alpha_bar) - 1

    @cached_property
    def log_snr(self) -> Float[Tensor, " time"]:
        """``log(alpha_bar / (1 - alpha_bar))`` at every training step: infinite at 0, and at T if alpha_bar is 0."""
        return self.alpha_bar.logit()

    def alpha_bar_at(self, t: Time) -> float:
        """The cumulative product at a real time.

        Between training steps the log signal-to-noise ratio is linear in time, as the solvers of the literature take
        it. Where it has no finite end the ratio of noise to signal is linear: between 0 and 1, and before a T with
        alpha_bar = 0 its inverse.

        Raises
        ------
        ConfigError
            Unless ``0 <= t <= T``.
        """
        if not 0 <= t <= self.T:
            raise ConfigError(f"time {t} is outside the schedule", f"choose a time from 0 to {self.T}")
        step = int(t)
        fraction = t - step
        if fraction == 0:
            return float(self.alpha_bar[step])
        here, there = float(self.log_snr[step]), float(self.log_snr[step + 1])
        if step == 0:
            noise_to_signal = fraction * math.exp(-there / 2)
            return 1 / (1 + noise_to_signal**2)
        if math.isinf(there):
            signal_to_noise = (1 - fraction) * math.exp(here / 2)
            return signal_to_noise**2 / (1 + signal_to_noise**2)
        return 1 / (1 + math.exp(-(here + fraction * (there - here))))

    def time_of(self, alpha_bar: Float[Tensor, " levels"]) -> Float[Tensor, " levels"]:
        """The real times at which the cumulative product has these values: the inverse of `alpha_bar_at`.

        Levels noisier than the schedule's last are at T: no model was trained beyond.
        """
        return torch.tensor([self._time_of(float(level)) for level in alpha_bar], dtype=torch.float64)

    def _time_of(self, level: float) -> float:
        if level >= 1:
            return 0.0
        if level <= float(self.alpha_bar[-1]):
            return float(self.T)
        step = int(torch.searchsorted(-self.alpha_bar, torch.tensor(-level, dtype=torch.float64))) - 1
        wanted = math.log(level) - math.log1p(-level)
        here, there = float(self.log_snr[step]), float(self.log_snr[step + 1])
        if step == 0:
            fraction = math.exp((there - wanted) / 2)
        elif math.isinf(there):
            fraction = 1 - math.exp((wanted - here) / 2)
        else:
            fraction = (wanted - here) / (there - here)
        t = step + fraction
        return float(round(t)) if abs(t - round(t)) < WHOLE else t

    def signal(self, t: Time) -> float:
        """``A = sqrt(alpha_bar_t)``, the coefficient of x_0 in x_t."""
        return math.sqrt(self.alpha_bar_at(t))

    def sigma(self, t: Time) -> float:
        """``sigma = sqrt(1 - alpha_bar_t)``, the coefficient of the noise in x_t."""
        return math.sqrt(1 - self.alpha_bar_at(t))

    def timesteps(self, steps: int) -> Int[Tensor, " time"]:
        """Times visited by a run of `steps` reverse steps, ``[steps+1]`` from T down to 0.

        "Trailing" spacing, ``t_i = round(T (1 - i/steps))``: the run starts at the noisiest state, where the
        sample really is noise (Lin et al. 2024, "Common diffusion noise schedules are flawed").

        Raises
        ------
        ConfigError
            Unless ``1 <= steps <= T``.
        """
        self.check_steps(steps)
        return torch.tensor([round(self.T * (steps - i) / steps) for i in range(steps + 1)])

    def check_steps(self, steps: int) -> None:
        """Raise `ConfigError` unless ``1 <= steps <= T``."""
        if not 1 <= steps <= self.T:
            raise ConfigError(f"steps is {steps}", f"choose a number of steps from 1 to {self.T}, the schedule's T")
