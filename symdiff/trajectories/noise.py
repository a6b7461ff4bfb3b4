"""The noise of a recording: a function of the seed and the trajectory, whatever is recorded with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


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
    """

    def __init__(
        self, seed: int, indices: Sequence[int], shape: tuple[int, int, int], device: torch.device | str = "cpu"
    ) -> None:
        self.seed, self.indices, self.shape, self.device = seed, indices, shape, torch.device(device)
        self._streams = [
            np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64))) for index in indices
        ]
        self._drawn = -2

    def normal(self, i: int) -> Float[Tensor, "batch c h w"]:
        """The noise of step i, or of x_T for ``i = -1``; steps that are not asked for are passed over."""
        noise = torch.empty(len(self._streams), *self.shape)
        for stream, out in zip(self._streams, noise, strict=True):
            for _ in range(i - self._drawn):
                stream.standard_normal(dtype=np.float32, out=out.numpy())
        self._drawn = i
        return noise.to(self.device)

    def generators(self) -> list[torch.Generator]:
        """One generator a trajectory, for samplers of other libraries, which draw for themselves."""
        words = [np.random.SeedSequence((self.seed, index)).generate_state(1, np.uint64)[0] for index in self.indices]
        return [torch.Generator().manual_seed(int(word)) for word in words]
