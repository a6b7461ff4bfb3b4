"""Optimal denoisers of Gaussian mixtures, among them the kernel density of a finite data set."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion import datasets
from symdiff.diffusion.denoisers import held_out
from symdiff.diffusion.denoisers.base import HeldOut
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.schedule import Schedule, Time

DIGITS_WIDTH = 0.1
"""Kernel width for the digits, a little less than the spacing 1/8 of their grey levels."""


class KernelMixtureDenoiser(ClosedFormDenoiser):
    """``E[x_0 | x_t]`` when x_0 is a point of a finite set plus isotropic Gaussian noise of standard deviation `width`.

    With ``s^2 = A^2 width^2 + sigma^2``, weights ``r = softmax(-|x - A mu_k|^2 / (2 s^2))`` and their mean
    ``m = sum r_k mu_k``, the estimate is ``m + (A width^2 / s^2) (x - A m)``: two matrix products. Width 0 is the
    empirical distribution itself, whose denoiser memorises: at small noise a single point has all the weight.

    Parameters
    ----------
    points
        ``[K, C, H, W]``.
    width
        Standard deviation of the kernel, at least 0.
    schedule
        The linear schedule with T = 1000 if ``None``.
    """

    def __init__(
        self,
        points: Float[Tensor, "k c h w"],
        width: float,
        schedule: Schedule | None = None,
        name: str = "mixture",
    ) -> None:
        _, c, h, w = points.shape
        self.points = points.to(torch.float64)
        self.width = float(width)
        flat = self.points.flatten(1)
        half_norms = flat.square().sum(dim=1) / 2
        self.dataset: str | None = None
        super().__init__(name, (c, h, w), schedule, (flat, half_norms, torch.tensor(self.width, dtype=torch.float64)))

    @classmethod
    def of_digits(cls, width: float = DIGITS_WIDTH) -> KernelMixtureDenoiser:
        """The kernel density of the training digits."""
        mixture = cls(datasets.digits()[0], width)
        mixture.dataset = "digits"
        return mixture

    def held_out(self) -> HeldOut | None:
        """The held-out part of the data set the points are from, where that is known."""
        return None if self.dataset is None else held_out.of_dataset(self.dataset, self.shape)

    def _weights(self, x: Float[Tensor, "batch d"], t: Time) -> tuple[Tensor, Tensor, float]:
        points, half_norms, _ = self._parameters_like(x)
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        spread = (signal * self.width) ** 2 + sigma**2
        # |x|^2 is common to all points and drops out of the softmax.
        logits = torch.addmm(-(signal**2) * half_norms, x, points.T, alpha=signal) / spread
        return points, logits.softmax(dim=1), signal * self.width**2 / spread

    def _posterior_mean(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        points, weights, gain = self._weights(x, t)
        mean = weights @ points
        return mean + gain * (x - self.schedule.signal(t) * mean)

    def _posterior_covariance(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d d"]:
        points, weights, gain = self._weights(x, t)
        mean = weights @ points
        second = torch.einsum("bk,ki,kj->bij", weights, points, points)
        between = second - mean[:, :, None] * mean[:, None, :]
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        within = gain * sigma**2 / signal * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        return (1 - gain * signal) ** 2 * between + within


class GaussianMixtureDenoiser(ClosedFormDenoiser):
    """``E[x_0 | x_t]`` for a mixture of Gaussians with full covariances.

    ``x0hat = sum_k r_k(x) [mu_k + A C_k (A^2 C_k + sigma^2 I)^{-1} (x - A mu_k)]`` with the posterior weights r_k.

    Parameters
    ----------
    means
        ``[K, C, H, W]``.
    covariances
        ``[K, d, d]``, symmetric and positive semidefinite.
    weights
        ``[K]``, positive; equal if ``None``.
    schedule
        The linear schedule with T = 1000 if ``None``.
    """

    def __init__(
        self,
        means: Float[Tensor, "k c h w"],
        covariances: Float[Tensor, "k d d"],
        weights: Float[Tensor, " k"] | None = None,
        schedule: Schedule | None = None,
        name: str = "gaussian-mixture",
    ) -> None:
        k, c, h, w = means.shape
        self.means = means.to(torch.float64)
        self.covariances = covariances.to(torch.float64)
        share = torch.ones(k, dtype=torch.float64) if weights is None else weights.to(torch.float64)
        eigenvalues, eigenvectors = torch.linalg.eigh(self.covariances)
        parameters = (self.means.flatten(1), (share / share.sum()).log(), eigenvalues.clamp(min=0), eigenvectors)
        super().__init__(name, (c, h, w), schedule, parameters)

    def _components(self, x: Float[Tensor, "batch d"], t: Time) -> tuple[Tensor, Tensor]:
        """Posterior weights ``[batch, K]`` and the posterior mean within each component ``[batch, K, d]``."""
        means, log_share, eigenvalues, eigenvectors = self._parameters_like(x)
        signal, sigma = self.schedule.signal(t), self.schedule.sigma(t)
        marginal = signal**2 * eigenvalues + sigma**2
        offset = torch.einsum("bkd,kde->bke", x[:, None] - signal * means, eigenvectors)
        logits = log_share - 0.5 * (offset.square() / marginal + marginal.log()).sum(dim=-1)
        local = means + torch.einsum("bke,kde->bkd", offset * signal * eigenvalues / marginal, eigenvectors)
        return logits.softmax(dim=1), local

    def _posterior_mean(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d"]:
        weights, local = self._components(x, t)
        return torch.einsum("bk,bkd->bd", weights, local)

    def _posterior_covariance(self, x: Float[Tensor, "batch d"], t: Time) -> Float[Tensor, "batch d d"]:
        _, _, eigenvalues, eigenvectors = self._parameters_like(x)
        weights, local = self._components(x, t)
        sigma = self.schedule.sigma(t)
        posterior = eigenvalues * sigma**2 / (self.schedule.alpha_bar_at(t) * eigenvalues + sigma**2)
        within = torch.einsum("bk,kie,ke,kje->bij", weights, eigenvectors, posterior, eigenvectors)
        centred = local - torch.einsum("bk,bkd->bd", weights, local)[:, None]
        return within + torch.einsum("bk,bki,bkj->bij", weights, centred, centred)
