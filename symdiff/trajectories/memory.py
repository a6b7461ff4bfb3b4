"""How much of a recording is held in memory at once."""

from __future__ import annotations

import os

from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.stored import StoredTensor, in_memory

SHARE = 4
"""A recording may take up one part in so many of the machine's memory; a larger one stays on disk."""


def memory_budget() -> int:
    """Bytes of states and estimates that are held in memory: a quarter of what the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // SHARE


def size_in_memory(trajectories: Trajectories, itemsize: int = 4) -> int:
    """Bytes of all states and estimates, with numbers of `itemsize` bytes."""
    return itemsize * (trajectories.states.numel() + trajectories.denoised.numel())


def is_on_disk(trajectories: Trajectories) -> bool:
    """Whether states are read from files when they are asked for; see `StoredTensor`."""
    return isinstance(trajectories.states, StoredTensor)


def fitting(trajectories: Trajectories, memory: int, itemsize: int = 4) -> Trajectories:
    """The first trajectories, as many as fit in `memory` bytes and at least two, in memory."""
    each = max(size_in_memory(trajectories.select(slice(1)), itemsize), 1)
    return in_memory(trajectories.select(slice(max(2, memory // each))))
