"""Sampling without recording."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.diffusion.samplers import Sampler


@torch.inference_mode()
def generate(
    denoiser: Denoiser, sampler: Sampler, steps: int, n: int, seed: int, clip: bool = False
) -> Float[Tensor, "n c h w"]:
    """`n` finished images of a run from ``x_T ~ N(0, I)``.

    Parameters
    ----------
    denoiser, sampler, steps
        The model and the rule of its run.
    n
        Number of images.
    seed
        Of the initial state and the injected noise.
    clip
        Whether x0hat is clipped to [-1, 1] at every step, which makes the steps nonlinear.
    """
    generator = torch.Generator().manual_seed(seed)
    table = sampler.coefficients(denoiser.schedule, steps)
    x = torch.randn(n, *denoiser.shape, generator=generator)
    for i in range(steps):
        x0hat = denoiser.denoise(x, int(table.timesteps[i]))
        noise = torch.randn(x.shape, generator=generator) if float(table.noise_std[i]) > 0 else None
        x = sampler.step(x, x0hat.clamp(-1, 1) if clip else x0hat, table, i, noise)
    return x
