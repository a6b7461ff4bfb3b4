"""The noise of a recording: a function of the seed and the trajectory, whatever is recorded with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

AHEAD_NUMBERS = 2**22
"""Numbers drawn at once, 16 MiB: a call for every trajectory and step costs more than its numbers on small images."""


class BatchNoise:
    """Standard normal noise of a batch of trajectories: that of x_T first, then that of each step.

    A counter-based generator keyed by ``(seed, trajectory)`` needs no other trajectory's draws (Salmon et al. 2011,
    "Parallel random numbers: as easy as 1, 2, 3").

    Parameters
    ----------
    seed
        0 ... 2^64 - 1.
    indices
        Numbers of the trajectories.
    shape
        ``(C, H, W)``.
    device
        Where the noise is wanted.
    steps
        Steps of the run. The noise of several is then drawn at once, which changes no number; of one at a time where
        the length of the run is not known.
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        shape: tuple[int, int, int],
        device: torch.device | str = "cpu",
        steps: int | None = None,
    ) -> None:
        self.seed, self.indices, self.shape, self.device = seed, indices, shape, torch.device(device)
        self._steps = steps
        self._streams = [
            np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64))) for index in indices
        ]
        self._first = self._end = -1  # steps whose noise is in `_drawn`
        self._drawn = torch.empty(0)

    def normal(self, i: int) -> Float[Tensor, "batch c h w"]:
        """The noise of step i, or of x_T for ``i = -1``; steps that are not asked for are passed over.

        Raises
        ------
        ValueError
            That of a later step was drawn before.
        """
        if i < self._first:
            raise ValueError(f"noise of step {i} asked for after that of step {self._end - 1}")
        while i >= self._end:
            self._draw()
        return self._drawn[:, i - self._first]

    def generators(self) -> list[torch.Generator]:
        """One generator a trajectory, for samplers of other libraries, which draw for themselves."""
        words = [np.random.SeedSequence((self.seed, index)).generate_state(1, np.uint64)[0] for index in self.indices]
        return [torch.Generator().manual_seed(int(word)) for word in words]

    def _draw(self) -> None:
        """The noise of the next steps: of x_T alone first, as deterministic samplers ask for nothing else."""
        self._first = self._end
        most = max(1, AHEAD_NUMBERS // (len(self._streams) * math.prod(self.shape)))
        left = 1 if self._steps is None or self._first < 0 else self._steps - self._first
        count = max(1, min(most, left))
        pinned = self.device.type == "cuda"  # so that the copy to the device waits for nothing
        noise = torch.empty(len(self._streams), count, *self.shape, pin_memory=pinned)
        for stream, out in zip(self._streams, noise.numpy(), strict=True):
            stream.standard_normal(dtype=np.float32, out=out)
        self._drawn = noise.to(self.device, non_blocking=pinned)
        self._end = self._first + count
