"""The variational bound of the model on images it was not made from, term by term, in bits per dimension."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import LEVEL, cautions, few_units, mean_interval
from symdiff.diffusion.bound import VARIANCES, Bound, Errors, bound, denoising_errors
from symdiff.diffusion.bound_times import all_times, drawn_times
from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.process.images_file import bits_of_uniform
from symdiff.progress import Progress

TIMES = 64
"""Times the bound is taken at, unless all are asked for."""

NUMBERS = 2**17
FEWEST_IMAGES, MOST_IMAGES = 64, 256
"""Images the bound is taken on, as many as hold `NUMBERS` numbers within these limits, unless all are asked for."""


def bound_on(
    denoiser: Denoiser,
    data: HeldOut,
    *,
    clip: bool,
    seed: int = 0,
    thorough: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The bound with three choices of the reverse variance.

    Parameters
    ----------
    denoiser, data
        The model, and images of its law that it was not made from.
    clip
        Whether x0hat is clipped, as it was in the recording.
    seed
        Of the noise, the times and the choice among many images.
    thorough
        All training times and all images.
    device
        Where the model runs.
    progress
        Told after every time.

    Returns
    -------
    dict
        ``variances[NAME]`` has ``bits_per_dim`` and its parts ``transitions`` and ``reconstruction`` (L_0), each
        ``{"value", "interval"}``; ``prior`` (L_T) is common to them. ``levels`` holds L_{t-1} at each time taken,
        noisiest first, with the mean squared error of x0hat a pixel and the variance that makes the term least.
    """
    images = data.images
    if not thorough:
        most = min(max(NUMBERS // images[0].numel(), FEWEST_IMAGES), MOST_IMAGES)
        images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:most]]
    times = all_times(denoiser.schedule) if thorough else drawn_times(denoiser.schedule, TIMES, seed)
    told = None if progress is None else progress.update
    errors = denoising_errors(denoiser, images, times, clip, seed, device, told)
    kinds = [kind for kind in VARIANCES if kind != "optimal" or len(images) > 1]
    bounds = {kind: bound(errors, kind, data.half_bin) for kind in kinds}
    variances = {kind: _parts(found) for kind, found in bounds.items()}
    return {
        "origin": data.origin,
        "images": len(images),
        "half_bin": data.half_bin,
        "uniform": bits_of_uniform(data.half_bin),
        "clipped": clip,
        "times": len(torch.unique(times.t)) + 1,
        "of_times": denoiser.schedule.T,
        "level": LEVEL,
        "prior": _figure(bounds["fixed_small"].prior),
        "variances": variances,
        "best": min(variances, key=lambda kind: float(variances[kind]["bits_per_dim"]["value"])),
        "levels": _levels(denoiser, errors, bounds),
        "caution": cautions(few_units(len(images), "held-out images")),
    }


def _parts(found: Bound) -> dict[str, Any]:
    extra = found.time_variance
    return {
        "bits_per_dim": _figure(found.total, extra),
        "transitions": _figure(found.transitions_sum, extra),
        "reconstruction": _figure(found.reconstruction),
        "time_error": extra**0.5,
    }


def _figure(of_images: Float[Tensor, " n"], extra: float = 0.0) -> dict[str, Any]:
    interval = mean_interval(of_images, extra)
    return {"value": float(of_images.mean()), "interval": None if interval is None else list(interval)}


def _levels(denoiser: Denoiser, errors: Errors, bounds: dict[str, Bound]) -> list[dict[str, Any]]:
    """One entry a time; draws that fell on the same time are one entry."""
    times, found = errors.times, []
    for t in torch.unique(times.t).flip(0):
        here = times.t == t
        entry: dict[str, Any] = {
            "timestep": int(t),
            "alpha_bar": denoiser.schedule.alpha_bar_at(int(t)),
            "weight": float(times.weight[here].sum()),
            "error": float(errors.squared[here].mean()),
            "optimal_variance": float(bounds["optimal"].reverse[here].mean()) if "optimal" in bounds else None,
        }
        entry |= {kind: _figure(of_kind.transitions[here].mean(0)) for kind, of_kind in bounds.items()}
        found.append(entry)
    return found
