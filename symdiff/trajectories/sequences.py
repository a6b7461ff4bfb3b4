"""Cutting recorded trajectories into windows of consecutive states."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from symdiff.errors import ConfigError
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.stored import windows

NUMBERS = 2**26
"""Numbers a sample of sequences may hold by default: 256 MiB in float32."""

FEWEST = 8


def affordable(n: int, length: int, pixels: int) -> int:
    """`n`, or fewer sequences of `length` actions where images are so large that they would not fit in memory."""
    return min(n, max(NUMBERS // ((length + 1) * pixels), FEWEST))


class Windows(NamedTuple):
    """Windows of N consecutive steps, that is N+1 states; a group family turns their steps into actions.

    Attributes
    ----------
    observations
        ``[n, N+1, C, H, W]``.
    times
        ``[n, N+1]``: index of each observation in its trajectory; step ``times[:, :-1]`` leads on from it.
    trajectory
        ``[n]``: which trajectory each window comes from (the unit of resampling).
    """

    observations: Float[Tensor, "n obs c h w"]
    times: Int[Tensor, "n obs"]
    trajectory: Int[Tensor, " n"]


def cut(
    trajectories: Trajectories,
    length: int,
    n: int,
    generator: torch.Generator | None = None,
    usable: Bool[Tensor, " steps"] | None = None,
) -> Windows:
    """Random windows, drawn uniformly and with replacement over trajectories and starting steps.

    Parameters
    ----------
    trajectories
        The recording.
    length
        Number of steps N of a window.
    n
        Number of windows.
    generator
        Source of the draw (CPU); torch's global one if ``None``.
    usable
        ``[steps]``: windows containing a step marked False are never drawn (a step outside the group has no element).

    Raises
    ------
    ConfigError
        No window of that length fits.
    """
    starts = _starts(trajectories, length, usable)
    which = torch.randint(len(trajectories), (n,), generator=generator)
    first = starts[torch.randint(len(starts), (n,), generator=generator)]
    return _gather(trajectories, which, first, length)


def _starts(trajectories: Trajectories, length: int, usable: Tensor | None) -> Tensor:
    """First steps of the windows that fit and contain usable steps only."""
    steps = trajectories.steps
    if not 1 <= length <= steps:
        raise ConfigError(
            f"a window of {length} steps does not fit trajectories of {steps}",
            f"choose a length from 1 to {steps}, or record more steps",
        )
    if not len(trajectories):
        raise ConfigError("there is no trajectory to cut windows from", "record at least one")
    allowed = torch.ones(steps, dtype=torch.bool) if usable is None else usable.cpu()
    starts = allowed.unfold(0, length, 1).all(dim=1).nonzero().squeeze(1)
    if not len(starts):
        raise ConfigError(
            f"no {length} consecutive steps are all usable: {int(allowed.sum())} of {steps} are",
            "choose a shorter length or another gauge",
        )
    return starts


def _gather(trajectories: Trajectories, which: Tensor, first: Tensor, length: int) -> Windows:
    times = first[:, None] + torch.arange(length + 1)
    return Windows(windows(trajectories.states, which, first, length + 1), times, which)
