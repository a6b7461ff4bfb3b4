"""The optimal denoiser of Gaussian data: the exact test case of everything symdiff says about linear steps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import datasets
from symdiff.diffusion.denoisers import held_out
from symdiff.diffusion.denoisers.base import HeldOut
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.schedule import Schedule, Time


class GaussianDenoiser(ClosedFormDenoiser):
    """``E[x_0 | x_t]`` for ``x_0 ~ N(mean, covariance)``: affine in the state at every t.

    With ``C = U diag(lambda) U^T`` it is ``mean + U diag(A lambda / (A^2 lambda + sigma^2)) U^T (x - A mean)``, so
    all steps of a run share the eigenvectors of C and commute.

    Parameters
    ----------
    mean
        ``[C, H, W]``.
    covariance
        ``[d, d]``, symmetric and positive semidefinite, ``d = C H W``.
    schedule
        The linear schedule with T = 1000 if ``None``.
    """

    def __init__(
        self,
        mean: Float[Tensor, "c h w"],
        covariance: Float[Tensor, "d d"],
        schedule: Schedule | None = None,
        name: str = "gaussian",
    ) -> None:
        c, h, w = mean.shape
        self.mean = mean.to(torch.float64)
        self.covariance = covariance.to(torch.float64)
        self.eigenvalues, self.eigenvectors = torch.linalg.eigh(self.covariance)
        self.eigenvalues = self.eigenvalues.clamp(min=0)
        parameters = (self.mean.flatten(), self.eigenvalues, self.eigenvectors)
        super().__init__(name, (c, h, w), schedule, parameters)

    @classmethod
    def of_digits(cls, ridge: float = 1e-3) -> GaussianDenoiser:
        """The Gaussian with the mean and covariance of the training digits, `ridge` added to every variance.

        Some border pixels never change; the ridge keeps the law from being degenerate there.
        """
        images = datasets.digits()[0].to(torch.float64)
        covariance = torch.cov(images.flatten(1).T, correction=0)
        return cls(images.mean(dim=0), covariance + ridge * torch.eye(len(covariance), dtype=torch.float64))

    def held_out(self) -> HeldOut:
        """A sample of the law, the same every time; continuous."""
        return held_out.of_gaussian(self.mean, self.eigenvalues, self.eigenvectors)

    def _posterior_mean(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        mean, eigenvalues, eigenvectors = self._parameters_like(x)
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        gain = signal * eigenvalues / (signal**2 * eigenvalues + sigma**2)
        return mean + ((x - signal * mean) @ eigenvectors * gain) @ eigenvectors.T

    def _posterior_covariance(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d d"]:
        _, eigenvalues, eigenvectors = self._parameters_like(x)
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        posterior = eigenvalues * sigma**2 / (signal**2 * eigenvalues + sigma**2)
        return (eigenvectors * posterior @ eigenvectors.T).expand(len(x), -1, -1)
