"""Denoising diffusion implicit models (Song, Meng and Ermon 2021)."""

from __future__ import annotations

from typing import Any

from symdiff.diffusion.samplers.base import Sampler, StepTable, visited
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError


class DDIM(Sampler):
    """Steps ``x' = A' x0hat + kappa epshat + s z`` with ``s = eta sqrt(beta_tilde)``, ``kappa = sqrt(sigma'^2 - s^2)``.

    Song et al. 2021, Eqs. 12 and 16. ``eta = 0`` is deterministic; ``eta = 1`` has the mean and the noise of DDPM
    with ``fixed_small`` variance.

    Parameters
    ----------
    eta
        From 0 to 1.
    """

    name = "ddim"

    def __init__(self, eta: float = 0.0) -> None:
        if not 0 <= eta <= 1:
            raise ConfigError(f"eta of DDIM is {eta}", "choose a number from 0 (deterministic) to 1 (as DDPM)")
        self.eta = float(eta)

    def settings(self) -> dict[str, Any]:
        """Name and eta."""
        return {"name": self.name, "eta": self.eta}

    def coefficients(self, schedule: Schedule, steps: int) -> StepTable:
        """With ``epshat = (x - A x0hat) / sigma``: ``P = kappa / sigma`` and ``Q = A' - kappa A / sigma``."""
        timesteps, alpha_bar = visited(schedule, steps)
        now, after = alpha_bar[:-1], alpha_bar[1:]
        sigma = (1 - now).sqrt()
        std = self.eta * ((1 - after) / (1 - now) * (after - now) / after).sqrt()
        # sigma'^2 - s^2 as a product, which keeps full relative precision where s is close to sigma'.
        fraction = (self.eta**2 * (after - now) / after / (1 - now)).clamp(max=1)
        kappa = ((1 - after) * (1 - fraction)).sqrt()
        return StepTable(timesteps, alpha_bar, kappa / sigma, after.sqrt() - kappa * now.sqrt() / sigma, std)
