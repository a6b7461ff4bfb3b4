"""Everything the numbers of a recording depend on, and the name of its content that follows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from symdiff.diffusion import Denoiser, Sampler, StepTable
from symdiff.errors import ConfigError
from symdiff.trajectories.data import Trajectories

NOISE = "philox(seed, trajectory), numpy ziggurat, float32"
"""How the noise is drawn; part of the key, so that another way never answers for this one."""


@dataclass(frozen=True)
class Recipe:
    """A model, a sampler and their settings.

    Attributes
    ----------
    denoiser, sampler
        What is recorded.
    steps
        Reverse steps of one trajectory.
    trajectories
        How many.
    seed
        0 ... 2^64 - 1; trajectory i depends on ``(seed, i)`` and on no other trajectory.
    clip
        Whether x0hat is clipped to [-1, 1] before the step, which makes the step nonlinear. A sampler that limits it
        already goes on doing so in its own way, whatever is said here.

    Raises
    ------
    ConfigError
        `steps`, `trajectories` or `seed` is out of range.
    """

    denoiser: Denoiser
    sampler: Sampler
    steps: int
    trajectories: int
    seed: int = 0
    clip: bool = False

    def __post_init__(self) -> None:
        if self.trajectories < 1:
            raise ConfigError(f"trajectories is {self.trajectories}", "record at least one trajectory")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed is {self.seed}", "choose a seed from 0 to 2^64 - 1")
        _ = self.table  # refuses a number of steps the schedule does not have

    @cached_property
    def table(self) -> StepTable:
        """Coefficients of the steps."""
        return self.sampler.coefficients(self.denoiser.schedule, self.steps)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the recipe: equal recipes make equal recordings, up to rounding between devices."""
        table = self.table
        shared = [table.timesteps.double(), table.alpha_bar, table.scale, table.P, table.Q, table.noise_std]
        numbers = torch.cat([*shared, torch.tensor([table.start], dtype=torch.float64)])
        recipe = {
            "model": self.denoiser.digest,
            "shape": list(self.denoiser.shape),
            "sampler": self.sampler.settings(),
            "table": hashlib.sha256(numbers.numpy().tobytes()).hexdigest(),
            "steps": self.steps,
            "trajectories": self.trajectories,
            "seed": self.seed,
            "clip": self.clip,
            "noise": NOISE,
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()

    @property
    def info(self) -> dict[str, Any]:
        """What a recording says about its origin."""
        return {
            "model": self.denoiser.name,
            "model_digest": self.denoiser.digest,
            "sampler": self.sampler.name,
            "sampler_settings": self.sampler.settings(),
            "steps": self.steps,
            "seed": self.seed,
            "clip": self.clipping is not None,
            "clipping": self.clipping,
        }

    @property
    def clipping(self) -> str | None:
        """How x0hat is limited before each step, by the sampler's own settings or by `clip`; ``None`` if not."""
        return self.sampler.clips or ("x0hat clipped to ±1" if self.clip else None)

    @property
    def states_shape(self) -> tuple[int, int, int, int, int]:
        """``[traj, time, C, H, W]`` of the whole recording."""
        return (self.trajectories, self.steps + 1, *self.denoiser.shape)

    def allocate(self, n: int) -> Trajectories:
        """A recording of `n` trajectories, its states and denoised images yet to be filled in."""
        table = self.table
        return Trajectories(
            states=torch.empty(n, *self.states_shape[1:]),
            denoised=torch.empty(n, self.steps, *self.denoiser.shape),
            timesteps=table.timesteps,
            alpha_bar=table.alpha_bar,
            scale=table.scale,
            state_coefficient=table.P,
            denoised_coefficient=table.Q,
            noise_std=table.noise_std,
            gauges=table.gauges(),
            one_step=table.one_step,
            info=self.info,
        )
