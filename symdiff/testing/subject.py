"""A family under test, and what is drawn for it: elements, observations and a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.group_laws import TOLERANCE
from symdiff.trajectories import Trajectories

STEPS = 6
"""Steps of the recording."""

RECORDED = 5
"""Trajectories of the recording."""


@dataclass
class Subject:
    """A family, what is documented of it, and the seed of one example.

    Attributes
    ----------
    family
        The family.
    make
        Another one like it.
    latent
        Latent dimension asked for; ``None`` for the family's own.
    linear
        Whether `act` is linear; ``None``: where there are `haar_elements`.
    finite
        Whether `haar_elements` are to be closed under multiplication.
    symmetric
        Whether `distance` is symmetric.
    recording
        What gives the recording that sequences are cut from; ``None`` for a made-up one.
    """

    family: GroupFamily
    make: Callable[[], GroupFamily]
    seed: int = 0
    tolerance: float = TOLERANCE
    latent: int | None = None
    linear: bool | None = None
    finite: bool = True
    symmetric: bool = True
    recording: Callable[[], Trajectories] | None = None

    def generator(self, stream: int = 0) -> torch.Generator:
        """A fresh generator, another one for every `stream`."""
        return torch.Generator().manual_seed(97 * self.seed + stream)

    def elements(self, n: int = 6, stream: int = 1) -> Tensor:
        """`n` sampled elements in float64; in every second example the identity, if known, is the first of them."""
        with double():
            g = self.family.sample(n, self.generator(stream))
        g = g.double() if g.is_floating_point() else g
        if not self.family.law_known:
            return g
        e = self.family.identity().to(g)
        fits = e.shape == g.shape[1:]  # if not, the law of the identity says so
        return torch.cat([e[None], g[1:]]) if self.seed % 2 == 0 and fits else g

    def haar(self) -> Tensor | None:
        """`haar_elements` in float64."""
        with double():
            elements = self.family.haar_elements()
        return None if elements is None else elements.double() if elements.is_floating_point() else elements

    def observations(self, n: int = 6, stream: int = 2) -> Tensor:
        """`n` observations ``[n, C, H, W]`` in float64."""
        generator = self.generator(stream)
        return torch.randn(n, *self.family.observation_shape, generator=generator, dtype=torch.float64)

    @property
    def latent_dimension(self) -> int:
        """The latent dimension of models."""
        return self.family.latent_dimension(self.latent)

    def trajectories(self) -> Trajectories:
        """The recording that sequences are cut from."""
        return self.recording() if self.recording is not None else made_up(self.family.observation_shape, self.seed)


def made_up(observation_shape: tuple[int, int, int], seed: int = 0) -> Trajectories:
    """A recording of no model: a few steps ``x' = 0.8 x + 0.3 x0hat + 0.1 z`` from noise, float32."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, *observation_shape, generator=generator)

    denoised = noise(RECORDED, 1).expand(-1, STEPS, -1, -1, -1)
    states = [noise(RECORDED)]
    for i in range(STEPS):
        states.append(0.8 * states[-1] + 0.3 * denoised[:, i] + 0.1 * noise(RECORDED))
    one = torch.ones(STEPS, dtype=torch.float64)
    return Trajectories(
        states=torch.stack(states, dim=1),
        denoised=denoised.contiguous(),
        timesteps=torch.arange(STEPS, -1, -1),
        alpha_bar=torch.linspace(0.01, 1, STEPS + 1, dtype=torch.float64),
        scale=torch.ones(STEPS + 1, dtype=torch.float64),
        state_coefficient=0.8 * one,
        denoised_coefficient=0.3 * one,
        noise_std=0.1 * one,
        gauges={"v": 0.9 * one, "eps": 1.1 * one, "x0": 0.8 * one},
        info={"model": "made up", "sampler": "made up"},
    )


@contextmanager
def double() -> Iterator[None]:
    """Make float64 the default, so that a family that makes new numbers makes precise ones."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
