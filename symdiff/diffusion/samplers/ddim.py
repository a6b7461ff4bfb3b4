"""Denoising diffusion implicit models (Song, Meng and Ermon 2021)."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

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
        return StepTable(timesteps, alpha_bar, *ddim_coefficients(alpha_bar[:-1], alpha_bar[1:], self.eta))


def ddim_coefficients(
    now: Float[Tensor, " steps"], after: Float[Tensor, " steps"], eta: float
) -> tuple[Float[Tensor, " steps"], Float[Tensor, " steps"], Float[Tensor, " steps"]]:
    """``P, Q, s`` of steps from the cumulative products `now` to `after`, float64."""
    sigma = (1 - now).sqrt()
    std = eta * ((1 - after) / (1 - now) * (after - now) / after).sqrt()
    # sigma'^2 - s^2 as a product, which keeps full relative precision where s is close to sigma'.
    fraction = (eta**2 * (after - now) / after / (1 - now)).clamp(max=1)
    kappa = ((1 - after) * (1 - fraction)).sqrt()
    return kappa / sigma, after.sqrt() - kappa * now.sqrt() / sigma, std
