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
    """`n` finished images of a run from pure noise.

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
    noise = _Drawn((n, *denoiser.shape), seed)
    table = sampler.coefficients(denoiser.schedule, steps)
    stepper = sampler.start(denoiser, table, noise, clip)
    x = noise.normal(-1) * table.start
    for i in range(steps):
        _, x = stepper(x, i)
    return x


class _Drawn:
    """Noise drawn for all images together, as it is asked for."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        self.shape, self.seed = shape, seed
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, i: int) -> Tensor:
        return torch.randn(self.shape, generator=self.generator)

    def generators(self) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(self.seed + j + 1) for j in range(self.shape[0])]
