"""The parts of a recording that a run trains on, chooses by and judges by."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.memory import fitting, is_on_disk, memory_budget, size_in_memory
from symdiff.trajectories.precision import cost
from symdiff.trajectories.thinning import ordinal


class Parts(NamedTuple):
    """Disjoint parts of a recording.

    Attributes
    ----------
    train, validation
        70% and 10% of the trajectories; on disk if the recording is.
    sample
        Training trajectories for what is computed from all of their states at once: all of them, or as many as fit in
        memory.
    test
        20%, in float64, or as many of these as fit in memory.
    """

    train: Trajectories
    validation: Trajectories
    sample: Trajectories
    test: Trajectories


def parts(recording: Trajectories, seed: int, memory: int | None = None) -> Parts:
    """Split a recording, with a warning of all about it that a reader of the result has to know.

    Parameters
    ----------
    recording
        In memory or on disk.
    seed
        Of the random order that the parts are taken from.
    memory
        Bytes for what is in memory of a recording on disk; a quarter of the machine's if ``None``.
    """
    for caveat in caveats(recording):
        warnings.warn(caveat, stacklevel=2)
    train, validation, test = recording.split(seed=seed)
    sample = train
    if is_on_disk(recording):
        memory = memory_budget() if memory is None else memory
        held_out, trained = len(test), len(train)
        sample, test = fitting(train, memory // 2), fitting(test, memory // 2, itemsize=8)
        warnings.warn(
            f"the recording would take {size_in_memory(recording) / 1e9:.3g} GB of memory, more than the "
            f"{memory / 1e9:.3g} GB allowed: training reads all of its {trained} trajectories from disk, but "
            f"diagnostics rest on {len(test)} of {held_out} held-out trajectories, and principal components and the "
            f"maps shared by all trajectories on {len(sample)} of those trained on",
            stacklevel=2,
        )
    return Parts(train, validation, sample, test.double())


def caveats(recording: Trajectories) -> list[str]:
    """What the way it was recorded means for a result."""
    found = []
    rounded = cost(recording.info.get("dtype", "fp32"))
    if rounded is not None:
        found.append(rounded)
    every = recording.info.get("every", 1)
    if every > 1:
        found.append(
            f"every {ordinal(every)} state was recorded: a step is the composite of up to {every} steps of the "
            "sampler, its gauges their products; its mean and noise are those it would have with x0hat held fixed"
        )
    return found
