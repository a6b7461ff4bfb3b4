"""What averaging a model over a group changes: its error and its bound on held-out images, before and after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units, mean_interval
from symdiff.diffusion import Denoiser
from symdiff.diffusion.bound import bound, denoising_errors
from symdiff.diffusion.bound_times import drawn_times
from symdiff.diffusion.denoisers import HeldOut
from symdiff.diffusion.denoisers.symmetrized import Symmetrized
from symdiff.groups import GroupFamily
from symdiff.process.figures import Figure, figure

VARIANCE = "fixed_large"
"""Reverse variance of the bound: the one whose terms do not depend on the error it is compared by."""

TIMES = 16
FEWEST, MOST = 16, 64
"""Images, at least and at most."""

NUMBERS = 2**25
"""Numbers in the images that the models are asked for."""


def symmetrized_change(
    denoiser: Denoiser,
    family: GroupFamily,
    data: HeldOut,
    *,
    clip: bool = False,
    seed: int = 0,
    thorough: bool = False,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Compare a model and its average on the same noised images.

    Parameters
    ----------
    denoiser, family
        The model, and the group it is averaged over; the family knows its Haar elements.
    data
        Images of the model's law that it was not made from.
    clip
        Whether x0hat is clipped in the bound, as it was in the recording.
    seed, thorough, device
        As for `symdiff.process.likelihood.bound_on`.

    Returns
    -------
    dict
        ``levels``, at each time ``before`` and ``after``, the mean squared error a pixel of x0hat, and ``difference``
        (after less before), paired by image, with interval over images; ``bits_per_dim``, the same of the bound with
        the variance ``fixed_large``; ``images``, ``elements``, ``origin``, ``clipped``, ``caution``.
    """
    averaged = Symmetrized(denoiser, family)
    count, pixels = len(averaged.elements), data.images[0].numel()
    times = drawn_times(denoiser.schedule, TIMES * (4 if thorough else 1), seed)
    affordable = NUMBERS * (4 if thorough else 1) // ((count + 1) * (len(times.t) + 1) * pixels)
    most = min(max(affordable, FEWEST), MOST * (4 if thorough else 1))
    images = data.images[torch.randperm(len(data.images), generator=torch.Generator().manual_seed(seed))[:most]]
    before, after = (denoising_errors(model, images, times, clip, seed, device) for model in (denoiser, averaged))
    levels = []
    for t in torch.unique(times.t).flip(0):
        here = times.t == t
        parts = [errors.squared[here].mean(0) for errors in (before, after)]
        levels.append(
            {"timestep": int(t), "alpha_bar": denoiser.schedule.alpha_bar_at(int(t)), **_pair(parts[0], parts[1])}
        )
    first, second = (bound(errors, VARIANCE, data.half_bin) for errors in (before, after))
    apart = replace(second, transitions=second.transitions - first.transitions)
    return {
        "elements": count,
        "images": len(images),
        "origin": data.origin,
        "clipped": clip,
        "times": len(levels) + 1,
        "levels": levels,
        "bits_per_dim": _pair(
            first.total, second.total, (first.time_variance, second.time_variance, apart.time_variance)
        ),
        "caution": cautions(few_units(len(images), "held-out images")),
    }


def _pair(
    before: Float[Tensor, " n"], after: Float[Tensor, " n"], extra: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> dict[str, Figure]:
    """Both means and the paired difference, each with the variance that drawing times adds to it."""
    values = {"before": before, "after": after, "difference": after - before}
    return {
        name: figure(float(value.mean()), mean_interval(value, more))
        for (name, value), more in zip(values.items(), extra, strict=True)
    }
