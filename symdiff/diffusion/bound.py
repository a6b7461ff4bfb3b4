"""The variational bound image by image, at all times or at a few that were drawn, with the interval that follows.

`symdiff.diffusion.elbo` has the terms and the sum over all times. Here every term is kept for every image, so that
the spread over images gives an interval, and a term may stand for others (`symdiff.diffusion.bound_times`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

from symdiff.diffusion.bound_times import Times
from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.elbo import discretised_term, prior_term, transition_term
from symdiff.diffusion.process import q_sample
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError

VARIANCES = ("fixed_small", "fixed_large", "optimal")

AT_ONCE = 2**19
"""Numbers in the images of one call of the model."""

NATS = math.log(2)
"""One bit in nats."""


@dataclass(frozen=True, eq=False)
class Errors:
    """What the bound is made of: how far x0hat is from the image.

    Attributes
    ----------
    times
        Where.
    squared
        ``[k, n]``: mean over pixels of ``(x_0 - x0hat)^2`` at each time, for each image.
    images, last
        ``[n, C, H, W]`` float64: the images, and x0hat at t = 1.
    schedule
        Of the model.
    clipped
        Whether x0hat was clipped to [-1, 1].
    """

    times: Times
    squared: Float[Tensor, "k n"]
    images: Float[Tensor, "n c h w"]
    last: Float[Tensor, "n c h w"]
    schedule: Schedule
    clipped: bool


@torch.inference_mode()
def denoising_errors(
    denoiser: Denoiser,
    images: Float[Tensor, "n c h w"],
    times: Times,
    clip: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_time: Callable[[int, int], None] | None = None,
) -> Errors:
    """Denoise one draw of x_t for every image and time; at all times the draws are those of `elbo`.

    Parameters
    ----------
    denoiser
        The model; it is moved to `device`.
    images
        Images in [-1, 1].
    times
        From `all_times` or `drawn_times`.
    clip
        Whether x0hat is clipped to [-1, 1].
    seed
        Of the noise, which is drawn on the CPU.
    device
        Where the model runs.
    on_time
        Called after every time with the times done and all of them.
    """
    denoiser = denoiser.to(device)
    generator = torch.Generator().manual_seed(seed)
    place = "cpu" if torch.device(device).type == "mps" else device  # which has no float64
    exact = images.to(torch.float64)
    size = max(1, AT_ONCE // images[0].numel())

    def estimates(t: int) -> Iterator[Tensor]:
        noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
        for part in q_sample(denoiser.schedule, images, t, noise).split(size):
            x0hat = denoiser.denoise(part.to(device), t).to(place, torch.float64)
            yield x0hat.clamp(-1, 1) if clip else x0hat

    def errors(t: int) -> Tensor:
        pairs = zip(exact.split(size), estimates(t), strict=True)
        return torch.cat([(part.to(place) - x0hat).square().flatten(1).mean(1) for part, x0hat in pairs])

    found = []
    for t in times.t:
        found.append(errors(int(t)))
        if on_time is not None:
            on_time(len(found), len(times.t))
    squared = torch.stack(found).cpu()
    return Errors(times, squared, exact, torch.cat([part.cpu() for part in estimates(1)]), denoiser.schedule, clip)


@dataclass(frozen=True, eq=False)
class Bound:
    """The bound with one choice of the reverse variances, in bits per dimension.

    Attributes
    ----------
    prior, reconstruction
        ``[n]``: L_T and L_0 of every image.
    transitions
        ``[k, n]``: L_{t-1} at each of `times`.
    reverse
        ``[k]`` and ``[]``: the variances r at `times`, and of the last step.
    times
        Where.
    """

    prior: Float[Tensor, " n"]
    transitions: Float[Tensor, "k n"]
    reconstruction: Float[Tensor, " n"]
    reverse: Float[Tensor, " k"]
    last_reverse: float
    times: Times

    @property
    def transitions_sum(self) -> Float[Tensor, " n"]:
        """The sum over all times of L_{t-1}, of every image."""
        return self.times.weight @ self.transitions

    @property
    def total(self) -> Float[Tensor, " n"]:
        """The whole bound of every image."""
        return self.prior + self.transitions_sum + self.reconstruction

    @property
    def time_variance(self) -> float:
        """Variance that drawing times adds to the mean over images: of two draws of a stratum, their difference's."""
        share = self.times.weight * self.transitions.mean(1)
        order = self.times.stratum.argsort(stable=True)
        stratum, share = self.times.stratum[order], share[order]
        pair = stratum[1:] == stratum[:-1]
        return float(share.diff()[pair].square().sum())


def bound(errors: Errors, variance: str, half_bin: float | None) -> Bound:
    """The bound with reverse variances of one kind.

    Parameters
    ----------
    errors
        From `denoising_errors`.
    variance
        ``"fixed_small"``: ``beta_tilde_t``; ``"fixed_large"``: ``beta_t``; at t = 1 both are ``beta_tilde_2``.
        ``"optimal"``: one number a time, the one that makes the term least, ``beta_tilde_t + Q^2 E(x_0 - x0hat)^2``
        and at t = 1 the least by search. It is fitted on one half of the images and used on the other, each way, so
        that no image has a say in its own.
    half_bin
        Half the spacing of the grey levels; ``None`` for continuous data, whose L_0 is a Gaussian density.

    Raises
    ------
    ConfigError
        For an unknown `variance`, or for the optimal one with fewer than two images.
    """
    if variance not in VARIANCES:
        raise ConfigError(f"the bound has no variance {variance!r}", f"choose one of {', '.join(VARIANCES)}")
    n = errors.squared.shape[1]
    step = errors.schedule.T - errors.times.t
    _, denoised, small, large = posterior_coefficients(errors.schedule.alpha_bar.flip(0))
    posterior, coefficient = small[step], denoised[step]
    halves = [torch.arange(n)]
    if variance == "optimal":
        if n < 2:
            raise ConfigError("the optimal variance needs two images, one to fit it and one to use it on", "give more")
        halves = [torch.arange(0, n, 2), torch.arange(1, n, 2)]
    transitions, reconstruction = torch.empty_like(errors.squared), torch.empty(n, dtype=torch.float64)
    reverses, lasts = [], []
    for used, fitted in zip(halves, halves[::-1], strict=True):
        if variance == "optimal":
            reverse = posterior + coefficient**2 * errors.squared[:, fitted].mean(1)
            last = _best_last(errors.images[fitted], errors.last[fitted], half_bin)
        else:
            reverse = (small if variance == "fixed_small" else large)[step]
            last = float(small[-2])
        terms = transition_term(posterior[:, None], coefficient[:, None], reverse[:, None], errors.squared[:, used])
        transitions[:, used] = terms / NATS
        reconstruction[used] = last_term(errors.images[used], errors.last[used], last, half_bin) / NATS
        reverses.append(reverse)
        lasts.append(last)
    prior = prior_term(float(errors.schedule.alpha_bar[-1]), errors.images.square().flatten(1).mean(1)) / NATS
    reverse = torch.stack(reverses).mean(0)
    return Bound(prior, transitions, reconstruction, reverse, sum(lasts) / len(lasts), errors.times)


def last_term(
    x0: Float[Tensor, "n c h w"], mean: Float[Tensor, "n c h w"], variance: float, half_bin: float | None
) -> Float[Tensor, " n"]:
    """``L_0`` in nats per coordinate: of the bin of x_0, or of its density where data are continuous."""
    if half_bin is not None:
        return discretised_term(x0, mean, math.sqrt(variance), half_bin).flatten(1).mean(1)
    return 0.5 * (math.log(2 * math.pi * variance) + (x0 - mean).square().flatten(1).mean(1) / variance)


def _best_last(x0: Tensor, mean: Tensor, half_bin: float | None) -> float:
    """The variance of the last step that makes L_0 least."""
    squared = max(float((x0 - mean).square().mean()), 1e-12)
    if half_bin is None:
        return squared
    # Between a spread that no bin feels, and one well above both the bin and the error.
    low, high = math.log((half_bin / 10) ** 2), math.log(4 * (squared + half_bin**2))
    found = optimize.minimize_scalar(
        lambda log_r: float(last_term(x0, mean, math.exp(log_r), half_bin).mean()), bounds=(low, high), method="bounded"
    )
    return math.exp(float(found.x))
