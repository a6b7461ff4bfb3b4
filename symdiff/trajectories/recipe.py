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
from symdiff.trajectories.precision import storage_dtype
from symdiff.trajectories.thinning import Steps, composite, kept

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
    every
        Keep every k-th state, and the last; a recorded step is then a composite of the sampler's.
    dtype
        Number format of the states in a store: fp32, bf16 or fp16.

    Raises
    ------
    ConfigError
        `steps`, `trajectories`, `seed` or `every` is out of range, or there is no such `dtype`.
    """

    denoiser: Denoiser
    sampler: Sampler
    steps: int
    trajectories: int
    seed: int = 0
    clip: bool = False
    every: int = 1
    dtype: str = "fp32"

    def __post_init__(self) -> None:
        if self.trajectories < 1:
            raise ConfigError(f"trajectories is {self.trajectories}", "record at least one trajectory")
        if not 0 <= self.seed < 2**64:
            raise ConfigError(f"seed is {self.seed}", "choose a seed from 0 to 2^64 - 1")
        _ = self.shared  # refuses a number of steps the schedule does not have
        storage_dtype(self.dtype)

    @cached_property
    def table(self) -> StepTable:
        """Coefficients of the steps."""
        return self.sampler.coefficients(self.denoiser.schedule, self.steps)

    @cached_property
    def times(self) -> list[int]:
        """Which states of the run are kept."""
        return kept(self.steps, self.every)

    @cached_property
    def shared(self) -> Steps:
        """The steps between the states kept."""
        return composite(self.table, self.every)

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
            "every": self.every,
            "dtype": self.dtype,
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()

    @property
    def info(self) -> dict[str, Any]:
        """What a recording says about its origin; class, guidance and caveats where the model has any."""
        model = self.denoiser
        given: dict[str, Any] = {
            "label": model.label,
            "guidance": model.guidance,
            "caveats": list(model.caveats) or None,
        }
        given["found_at"] = model.found_at
        return {
            "model": self.denoiser.name,
            "model_digest": self.denoiser.digest,
            "sampler": self.sampler.name,
            "sampler_settings": self.sampler.settings(),
            "steps": self.steps,
            "seed": self.seed,
            "clip": self.clipping is not None,
            "clipping": self.clipping,
            **{name: value for name, value in given.items() if value is not None},
            "every": self.every,
            "dtype": self.dtype,
        }

    @property
    def clipping(self) -> str | None:
        """How x0hat is limited before each step, by the sampler's own settings or by `clip`; ``None`` if not."""
        return self.sampler.clips or ("x0hat clipped to ±1" if self.clip else None)

    @property
    def states_shape(self) -> tuple[int, int, int, int, int]:
        """``[traj, time, C, H, W]`` of the whole recording."""
        return (self.trajectories, len(self.times), *self.denoiser.shape)

    def allocate(self, n: int) -> Trajectories:
        """A recording of `n` trajectories, its states and denoised images yet to be filled in."""
        _, time, *shape = self.states_shape
        return Trajectories(
            states=torch.empty(n, time, *shape),
            denoised=torch.empty(n, time - 1, *shape),
            **self.shared._asdict(),
            info=self.info,
        )
