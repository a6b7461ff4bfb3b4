"""How good an embedded network is, in figures and in a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symdiff.diffusion.denoisers import NetworkDenoiser
from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.elbo import elbos
from symdiff.diffusion.generate import generate
from symdiff.diffusion.process import q_sample
from symdiff.diffusion.quality import PrincipalComponents, frechet_distance, nearest_distance
from symdiff.diffusion.reader import Reader
from symdiff.diffusion.recipes import Recipe
from symdiff.diffusion.samplers import DDPM

BOUNDS = (("fixed_large", True), ("fixed_large", False), ("fixed_small", False))
"""Variances of the reverse steps, and whether x0hat is clipped, for which the bound is reported."""

BOUND_IMAGES = 180
"""Held-out images the bound is taken on, at most: its T passes through the model are the slowest of the figures."""

NOISE_ERROR_IMAGES = 50
"""Images at each time in `noise_error`."""


def figures(
    denoiser: NetworkDenoiser, recipe: Recipe, seeds: tuple[int, ...] = (0, 1, 2), n: int = 500
) -> dict[str, Any]:
    """Quality of unclipped DDPM-100 samples, the error of the noise, and the bound in bits per dimension.

    All against the held-out images.

    Parameters
    ----------
    denoiser
        The model.
    recipe
        What it was made from.
    seeds
        One set of samples each.
    n
        Images in a set.
    """
    training, held_out = recipe.data()
    labels, held_out_labels = recipe.labels()
    components = PrincipalComponents.fit(training)
    reader = Reader.fit(training, labels)
    target = components(held_out)
    sets = [generate(denoiser, DDPM(), 100, n, seed) for seed in seeds]
    noise = torch.randn(n, *denoiser.shape, generator=torch.Generator().manual_seed(0))
    return {
        "frechet": [frechet_distance(components(images), target) for images in sets],
        "frechet_of_training_set": frechet_distance(components(training), target),
        "frechet_of_noise": frechet_distance(components(noise), target),
        "nearest": [float(nearest_distance(images, training).mean()) for images in sets],
        "nearest_of_held_out": float(nearest_distance(held_out, training).mean()),
        "unreadable": [float(reader.unreadable(images, held_out).double().mean()) for images in sets],
        "unreadable_of_held_out": float(reader.unreadable(held_out, held_out).double().mean()),
        "accuracy_of_reader": reader.accuracy(held_out, held_out_labels),
        "noise_error": noise_error(denoiser, held_out),
        "bits_per_dim": {
            f"{bound.variance}, {'clipped' if bound.clipped else 'unclipped'}": bound.bits_per_dim
            for bound in elbos(denoiser, held_out[:BOUND_IMAGES], BOUNDS, recipe.half_bin)
        },
    }


@torch.inference_mode()
def noise_error(denoiser: Denoiser, images: Float[Tensor, "n c h w"], seed: int = 0) -> float:
    """``E (eps - epshat)^2`` per coordinate, over the images, the noise and the times 1 ... T, all equally likely.

    The loss of Ho et al. 2020, Eq. 14, estimated at every time on `NOISE_ERROR_IMAGES` images drawn at random.

    Parameters
    ----------
    denoiser
        The model.
    images
        Images it has not seen, in [-1, 1].
    seed
        Of the noise and of the order of the images.
    """
    schedule = denoiser.schedule
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for t in range(1, schedule.T + 1):
        x0 = images[torch.randint(len(images), (NOISE_ERROR_IMAGES,), generator=generator)]
        noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
        x = q_sample(schedule, x0, t, noise)
        estimate = (x - schedule.signal(t) * denoiser.denoise(x, t)) / schedule.sigma(t)
        total += float((noise - estimate).square().mean())
    return total / schedule.T


def write_grid(path: Path, denoiser: NetworkDenoiser, rows: int = 8, columns: int = 16) -> None:
    """Draw unclipped DDPM-100 samples on a grid, black ink on white, and write the image file `path`."""
    from matplotlib.image import imsave  # slow to import

    images = generate(denoiser, DDPM(), 100, rows * columns, seed=0)[:, 0]
    side = images.shape[-1] + 2
    framed = functional.pad(images, (1, 1, 1, 1), value=-1.0).reshape(rows, columns, side, side)
    sheet = framed.permute(0, 2, 1, 3).reshape(rows * side, columns * side)
    scale = math.ceil(50 / side)
    enlarged = sheet.repeat_interleave(scale, dim=0).repeat_interleave(scale, dim=1)
    imsave(path, enlarged.numpy(), vmin=-1, vmax=1, cmap="gray_r")
