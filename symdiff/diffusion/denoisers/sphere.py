"""The optimal denoiser of data spread evenly over a sphere: curved data with a closed form."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.schedule import Schedule, Time

BESSEL_TERMS = 128
"""Terms of the continued fraction; with its tail estimated, enough for ten digits at any argument."""


class SphereDenoiser(ClosedFormDenoiser):
    """``E[x_0 | x_t]`` when x_0 is uniform on the sphere of radius r in R^k: ``r R x / |x|``.

    Given x_t the direction has a von Mises-Fisher law of concentration ``tau = A r |x| / sigma^2``, whose mean
    resultant length is ``R = I_{k/2}(tau) / I_{k/2-1}(tau)`` (Mardia and Jupp 2000, Eq. 10.3.12). It is equivariant
    under all rotations, and nothing but them.

    Parameters
    ----------
    shape
        ``(C, H, W)`` with ``k = C H W >= 2``.
    radius
        r.
    schedule
        The linear schedule with T = 1000 if ``None``.
    """

    def __init__(
        self, shape: tuple[int, int, int], radius: float, schedule: Schedule | None = None, name: str = "sphere"
    ) -> None:
        self.radius = float(radius)
        super().__init__(name, shape, schedule, (torch.tensor(self.radius, dtype=torch.float64),))

    def _resultant(self, x: Float[Tensor, "batch k"], t: Time) -> tuple[Tensor, Tensor, Tensor]:
        """Norm of x, concentration tau and mean resultant length R, each ``[batch, 1]``."""
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        tau = self.schedule.signal(t) * self.radius * norm / self.schedule.sigma(t) ** 2
        return norm, tau, bessel_ratio(x.shape[1] / 2 - 1, tau)

    def _posterior_mean(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        norm, _, resultant = self._resultant(x, t)
        return self.radius * resultant * x / norm

    def _posterior_covariance(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d d"]:
        norm, tau, resultant = self._resultant(x, t)
        k = x.shape[1]
        tangential = (self.radius**2 * resultant / tau)[:, :, None]
        radial = (self.radius**2 * (1 - resultant**2 - (k - 1) * resultant / tau))[:, :, None]
        direction = x / norm
        projection = direction[:, :, None] * direction[:, None, :]
        return tangential * torch.eye(k, dtype=x.dtype, device=x.device) + (radial - tangential) * projection


def bessel_ratio(order: float, tau: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``I_{order+1}(tau) / I_order(tau)`` for ``tau > 0``, by its continued fraction evaluated from the far end.

    Every step ``R_n = tau / (2 (n+1) + tau R_{n+1})`` shrinks the error of the estimate that it starts from. That
    estimate is the root of the Riccati equation ``R' = 1 - R^2 - (2n+1) R / tau``, solved first without R' and then
    with the R' of the first solution, which is close for large tau, where the fraction converges slowly.
    """
    slope = (2 * (order + BESSEL_TERMS) + 1) / tau
    root = torch.sqrt(slope**2 + 4)
    derivative = slope / (2 * tau) * (1 - slope / root)
    # 2c / (b + sqrt(b^2 + 4c)), not the difference of b and the square root, which cancels for small tau.
    constant = 1 - derivative
    ratio = 2 * constant / (slope + torch.sqrt(slope**2 + 4 * constant))
    for n in range(BESSEL_TERMS - 1, -1, -1):
        ratio = tau / (2 * (order + n + 1) + tau * ratio)
    return ratio
