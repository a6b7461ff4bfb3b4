"""The noise schedule of a variance-preserving diffusion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.errors import ConfigError


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

    def signal(self, t: int) -> float:
        """``A = sqrt(alpha_bar_t)``, the coefficient of x_0 in x_t."""
        return math.sqrt(float(self.alpha_bar[t]))

    def sigma(self, t: int) -> float:
        """``sigma = sqrt(1 - alpha_bar_t)``, the coefficient of the noise in x_t."""
        return math.sqrt(1 - float(self.alpha_bar[t]))

    def timesteps(self, steps: int) -> Int[Tensor, " time"]:
        """Times visited by a run of `steps` reverse steps, ``[steps+1]`` from T down to 0.

        "Trailing" spacing, ``t_i = round(T (1 - i/steps))``: the run starts at the noisiest state, where the
        sample really is noise (Lin et al. 2024, "Common diffusion noise schedules are flawed").

        Raises
        ------
        ConfigError
            Unless ``1 <= steps <= T``.
        """
        if not 1 <= steps <= self.T:
            raise ConfigError(f"steps is {steps}", f"choose a number of steps from 1 to {self.T}, the schedule's T")
        return torch.tensor([round(self.T * (steps - i) / steps) for i in range(steps + 1)])
