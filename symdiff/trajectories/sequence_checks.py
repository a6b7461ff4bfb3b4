"""Whether arrays are observed sequences, and what of them is changed or has to be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symdiff.errors import SequencesError
from symdiff.trajectories.memory import memory_budget
from symdiff.trajectories.observed import ObservedSequences

REQUIRED = ("observations", "actions")
NAMES = (*REQUIRED, "factors")

WANTED = "wanted: observations [B, N+1, C, H, W] or [B, N+1, D], actions [B, N, A] and, if known, factors [B, N+1, F]"

FEWEST = 3
"""One sequence to train on, one to choose by and one to judge by."""

GREY_LEVELS = (255, 65535)
"""Integer images are divided by the first of these that none of their numbers exceeds."""


def observed(
    arrays: Mapping[str, NDArray[Any]], info: dict[str, Any], name: str, memory: int | None = None
) -> ObservedSequences:
    """The sequences in `arrays`, float32: integer images scaled to [0, 1], floating ones as they are.

    Parameters
    ----------
    arrays
        `observations`, `actions` and perhaps `factors`.
    info
        What is known of where they are from; ``caveats`` is added.
    name
        What they are called in messages.
    memory
        Bytes the observations may take up; a quarter of the machine's memory if ``None``.

    Raises
    ------
    SequencesError
        They are no sequences, or nothing can be learned from them.
    """
    _shapes(arrays, name)
    allowed, needed = memory_budget() if memory is None else memory, 4 * arrays["observations"].size
    if needed > allowed:
        raise SequencesError(
            f"the observations of {name} would take {needed / 1e9:.3g} GB of memory, more than the "
            f"{allowed / 1e9:.3g} GB allowed",
            "give fewer or smaller ones",
        )
    caveats: list[str] = []
    raw = arrays["observations"]
    divisor = _grey_levels(raw, name) if raw.ndim == 5 and raw.dtype.kind in "iu" else None
    if divisor is not None:
        caveats.append(f"observations are {raw.dtype} images: they were divided by {divisor}, to lie in [0, 1]")
    tensors = {key: _numbers(array, key, name) for key, array in arrays.items()}
    observations, actions = tensors["observations"], tensors["actions"]
    if divisor is not None:
        observations = observations / divisor
    if observations.ndim == 3:
        observations = observations[..., None, None]
    caveats += _contents(observations, actions, name)
    return ObservedSequences.of(observations, actions, tensors.get("factors"), {**info, "caveats": caveats})


def _shapes(arrays: Mapping[str, NDArray[Any]], name: str) -> None:
    def refuse(key: str, why: str) -> SequencesError:
        return SequencesError(f"{key} of {name} has shape {list(arrays[key].shape)}: {why}", WANTED)

    for key, array in arrays.items():
        ranks = (3, 5) if key == "observations" else (3,)
        if array.ndim not in ranks:
            raise refuse(key, f"{' or '.join(map(str, ranks))} axes are wanted")
        if array.dtype.kind not in "fiub":
            raise SequencesError(f"{key} of {name} holds {array.dtype}, not real numbers", WANTED)
        if 0 in array.shape:
            raise refuse(key, "it is empty")
    count, steps = arrays["actions"].shape[:2]
    for key in arrays.keys() - {"actions"}:
        if len(arrays[key]) != count:
            raise refuse(key, f"there are actions of {count} sequences")
        if arrays[key].shape[1] != steps + 1:
            raise refuse(key, f"{steps} actions lie between {steps + 1} observations")
    if count < FEWEST:
        raise SequencesError(
            f"{name} holds {count} sequence{'s' if count > 1 else ''}: at least {FEWEST} are needed, for training, "
            "choosing and judging are on different ones",
            "give more sequences, or cut long ones into several",
        )


def _grey_levels(raw: NDArray[Any], name: str) -> int:
    low, high = int(raw.min()), int(raw.max())
    for level in GREY_LEVELS:
        if 0 <= low and high <= level:
            return level
    raise SequencesError(
        f"the integer images of {name} range from {low} to {high}: their scale is not known",
        "store 8 or 16 bits without sign, or floating-point numbers, which are taken as they are",
    )


def _numbers(array: NDArray[Any], key: str, name: str) -> Tensor:
    with np.errstate(over="ignore"):
        found = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not bool(found.isfinite().all()):
        wrong = ~found.isfinite().flatten(1).all(1)
        raise SequencesError(
            f"{key} of {name} holds NaN or numbers that are infinite in float32, in {int(wrong.sum())} of "
            f"{len(found)} sequences, the first of them number {int(wrong.nonzero()[0])}",
            "leave these sequences out",
        )
    return found


def _contents(observations: Tensor, actions: Tensor, name: str) -> list[str]:
    """What makes the numbers useless, raised; what limits their use, in words."""
    if bool((observations == observations[0, 0]).all()):
        raise SequencesError(f"all observations of {name} are the same", "give observations that actions change")
    if not bool((observations[:, 1:] != observations[:, :-1]).any()):
        raise SequencesError(
            f"no action of {name} changes an observation: within a sequence all are the same",
            "is the second axis of observations that of time?",
        )
    if not bool(actions.any()):
        raise SequencesError(
            f"every action of {name} is 0", "give the actions that led from observation to observation"
        )
    limits = []
    if bool((actions == actions[0, 0]).all()):
        limits.append("all actions are the same one: rho is learned for it alone, and elements cannot be told apart")
    if actions.shape[1] == 1:
        limits.append("sequences have one action: no two are ever composed, and products of matrices are not tested")
    return limits
