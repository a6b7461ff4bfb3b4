"""The variational bound of a diffusion model, term by term.

``-log p(x_0) <= L_T + sum_{t>=2} L_{t-1} + L_0`` (Sohl-Dickstein et al. 2015; Ho et al. 2020, Eq. 5): how far the end
of the forward process is from the prior, how far each modelled reverse step is from the posterior of the forward
process, and the likelihood of the image given x_1. All terms here are in nats per coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.process import q_sample
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.diffusion.samplers.ddpm import VARIANCES
from symdiff.errors import ConfigError

DIGITS_HALF_BIN = 1 / 16
"""Half the spacing of the digits' 17 grey levels."""

BYTES_HALF_BIN = 1 / 255
"""Half the spacing of the 256 grey levels of 8-bit images in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Elbo:
    """The terms of the bound, averaged over images and coordinates.

    Attributes
    ----------
    prior
        ``L_T``, nats per coordinate.
    transitions
        ``[T-1]``: ``L_{t-1}`` for t = T ... 2, nats per coordinate.
    reconstruction
        ``L_0``, nats per coordinate: a Gaussian integrated over each grey level's bin.
    variance
        Reverse variance used, ``fixed_small`` or ``fixed_large``.
    clipped
        Whether x0hat was clipped to [-1, 1].
    """

    prior: float
    transitions: Float[Tensor, " terms"]
    reconstruction: float
    variance: str
    clipped: bool

    @property
    def bits_per_dim(self) -> float:
        """The whole bound in bits per coordinate."""
        return (self.prior + float(self.transitions.sum()) + self.reconstruction) / math.log(2)


def prior_term(alpha_bar: Tensor | float, x0_squared: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """``L_T = KL(q(x_T|x_0) || N(0, 1)) = (alpha_bar x_0^2 + (1-alpha_bar) - 1 - log(1-alpha_bar)) / 2``."""
    noise = torch.as_tensor(1 - alpha_bar, dtype=x0_squared.dtype)
    return 0.5 * (alpha_bar * x0_squared + noise - 1 - noise.log())


def transition_term(
    posterior_variance: Tensor | float,
    denoised_coefficient: Tensor | float,
    reverse_variance: Tensor,
    squared_error: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    """``L_{t-1}``: the divergence of the modelled reverse step from the posterior, both Gaussian.

    ``(log(r / beta_tilde) + beta_tilde / r - 1 + Q^2 (x_0 - x0hat)^2 / r) / 2`` with the coefficient Q of x_0 in the
    posterior mean and the reverse variance r.
    """
    ratio = posterior_variance / reverse_variance
    return 0.5 * (ratio - 1 - ratio.log() + denoised_coefficient**2 * squared_error / reverse_variance)


def discretised_term(
    x0: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], std: float, half_bin: float
) -> Float[Tensor, "*shape"]:
    """``L_0 = -log P(bin of x_0)`` under ``N(mean, std^2)``, outer bins open-ended (Ho et al. 2020, Eq. 13)."""
    upper = torch.where(x0 > 1 - half_bin, torch.inf, (x0 - mean + half_bin) / std)
    lower = torch.where(x0 < -1 + half_bin, -torch.inf, (x0 - mean - half_bin) / std)
    # In the upper tail both probabilities round to 1; mirrored into the lower tail their logarithms stay apart.
    mirror = upper + lower > 0
    high = torch.special.log_ndtr(torch.where(mirror, -lower, upper))
    low = torch.special.log_ndtr(torch.where(mirror, -upper, lower))
    log_probability: Tensor = high + torch.log1p(-torch.exp(low - high))
    return -log_probability


def elbo(
    denoiser: Denoiser,
    images: Float[Tensor, "batch c h w"],
    variance: str = "fixed_large",
    clip: bool = False,
    half_bin: float = DIGITS_HALF_BIN,
    seed: int = 0,
) -> Elbo:
    """Estimate the bound on `images` with one draw of x_t per image and time.

    Parameters
    ----------
    denoiser
        The model; all T training steps of its schedule are used.
    images
        Images in [-1, 1] on equally spaced levels.
    variance
        ``r = beta_tilde_t`` for ``"fixed_small"``, ``beta_t`` for ``"fixed_large"``. At t = 1 the mean is x0hat and
        ``r = beta_tilde_2`` in both cases, since beta_tilde_1 is 0.
    clip
        Whether x0hat is clipped to [-1, 1].
    half_bin
        Half the spacing of the levels.
    seed
        Of the noise.

    Raises
    ------
    ConfigError
        For an unknown `variance`.
    """
    return elbos(denoiser, images, [(variance, clip)], half_bin, seed)[0]


@torch.inference_mode()
def elbos(
    denoiser: Denoiser,
    images: Float[Tensor, "batch c h w"],
    cases: Sequence[tuple[str, bool]],
    half_bin: float = DIGITS_HALF_BIN,
    seed: int = 0,
) -> list[Elbo]:
    """The bounds that `elbo` gives for several pairs of variance and clipping, from one pass through the model."""
    for variance, _ in cases:
        if variance not in VARIANCES:
            raise ConfigError(f"the bound has no variance {variance!r}", f"choose one of {', '.join(VARIANCES)}")
    schedule = denoiser.schedule
    _, denoised, small, large = posterior_coefficients(schedule.alpha_bar.flip(0))
    generator = torch.Generator().manual_seed(seed)
    exact = images.to(torch.float64)

    def estimate(t: int) -> dict[bool, Tensor]:
        noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
        x0hat = denoiser.denoise(q_sample(schedule, images, t, noise), t).to(torch.float64)
        return {False: x0hat, True: x0hat.clamp(-1, 1)}

    transitions: list[list[Tensor]] = [[] for _ in cases]
    for i, t in enumerate(range(schedule.T, 1, -1)):
        errors = {clip: (exact - x0hat).square().mean() for clip, x0hat in estimate(t).items()}
        for terms, (variance, clip) in zip(transitions, cases, strict=True):
            reverse = (small if variance == "fixed_small" else large)[i]
            terms.append(transition_term(small[i], denoised[i], reverse, errors[clip]))
    prior = prior_term(float(schedule.alpha_bar[-1]), exact.square().mean())
    means, std = estimate(1), float(small[-2].sqrt())
    last = {clip: float(discretised_term(exact, mean, std, half_bin).mean()) for clip, mean in means.items()}
    return [
        Elbo(float(prior), torch.stack(terms), last[clip], variance, clip)
        for terms, (variance, clip) in zip(transitions, cases, strict=True)
    ]
