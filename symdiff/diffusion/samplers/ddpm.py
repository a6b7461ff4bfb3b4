"""Ancestral sampling of denoising diffusion probabilistic models (Ho et al. 2020)."""

from __future__ import annotations

from typing import Any

import torch

from symdiff.diffusion.samplers.base import Sampler, StepTable, posterior_coefficients, visited
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError

VARIANCES = ("fixed_small", "fixed_large")


class DDPM(Sampler):
    """Each step samples the posterior ``q(x'|x, x0hat)``; the last one lands on x0hat without noise.

    Parameters
    ----------
    variance
        Of the injected noise: ``"fixed_small"`` is the posterior's ``beta_tilde``, ``"fixed_large"`` is ``beta``.
        The mean, hence every gauge, is the same for both.
    """

    name = "ddpm"

    def __init__(self, variance: str = "fixed_small") -> None:
        if variance not in VARIANCES:
            raise ConfigError(f"DDPM has no variance {variance!r}", f"choose one of {', '.join(VARIANCES)}")
        self.variance = variance

    def settings(self) -> dict[str, Any]:
        """Name and variance."""
        return {"name": self.name, "variance": self.variance}

    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """The posterior's coefficients between the states of the run."""
        timesteps, alpha_bar = visited(schedule, steps)
        state, denoised, small, large = posterior_coefficients(alpha_bar)
        variance = small if self.variance == "fixed_small" else large
        # The step onto clean data adds no noise whatever the variance, as the samplers of the literature do.
        std = torch.where(alpha_bar[1:] == 1, torch.zeros_like(variance), variance.sqrt())
        return StepTable(timesteps, alpha_bar, state, denoised, std)
