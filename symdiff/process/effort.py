"""How many states, levels and products of the Jacobian are spent, by the number of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from symdiff.diffusion.jacobian import MAX_DENSE
from symdiff.trajectories import Trajectories


@dataclass(frozen=True)
class Effort:
    """What `linear_part` looks at, and how closely.

    Attributes
    ----------
    levels
        Noise levels, spread evenly over the steps of a run, the first and the last among them.
    trajectories
        Held-out trajectories; one state of each at every level.
    dense
        Form the Jacobians as matrices: d products a state. If not, the next three count.
    block, depth
        Directions in a block of the Krylov space, and blocks: ``block * depth`` products with J and as many with its
        transpose a state.
    probes
        Random directions a state for what the Krylov space leaves of traces and norms, and a pair of states for
        commutators; at least 2.
    shown
        Eigenvalues reported.
    subspace
        Largest dimension in which a common basis is looked for.
    """

    levels: int
    trajectories: int
    dense: bool
    block: int = 4
    depth: int = 6
    probes: int = 2
    shown: int = 12
    subspace: int = 64

    def products(self, d: int) -> int:
        """Products with J and its transpose that all of it takes, at images of d numbers."""
        if self.dense:
            return self.levels * self.trajectories * d
        state = 2 * self.block * self.depth + (6 + self.levels) * self.probes  # spectrum; norms and commutators
        judged = self.trajectories - self.trajectories // 2
        return self.levels * (self.trajectories * state + judged * min(self.subspace, d))

    @classmethod
    def for_pixels(cls, d: int, thorough: bool = False) -> Effort:
        """The default for images of d numbers."""
        if d <= 64:
            return cls(16, 32, True, shown=d) if thorough else cls(12, 16, True, shown=min(d, 32))
        if d <= MAX_DENSE:
            return cls(12, 16, True, shown=32) if thorough else cls(8, 8, True, shown=32)
        if d <= 1024:
            return cls(12, 16, False, depth=12, probes=4, shown=32) if thorough else cls(7, 8, False, subspace=16)
        return cls(8, 8, False, depth=8, shown=16, subspace=32) if thorough else cls(6, 4, False, subspace=16)


def chosen_levels(trajectories: Trajectories, levels: int) -> list[int]:
    """Indices of the states looked at along a trajectory, noise first."""
    last = trajectories.steps - 1
    if levels < 2:
        return [0]
    return sorted({round(i * last / (levels - 1)) for i in range(levels)})


def chosen_trajectories(trajectories: Trajectories, number: int, seed: int) -> list[int]:
    """Indices of the trajectories looked at, in a seeded random order."""
    order = torch.randperm(len(trajectories), generator=torch.Generator().manual_seed(seed))
    return order[:number].tolist()
