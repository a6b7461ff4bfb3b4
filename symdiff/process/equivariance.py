"""Is the model itself symmetric: does its denoiser, its step and its sampler commute with a group that acts on images?

For a family whose actions are not the reverse steps. What is compared is on the part of images that the group moves
(`GroupFamily.observed`), at states of held-out trajectories.
"""

from __future__ import annotations

from typing import Any

import torch

from symdiff.diagnostics.intervals import LEVEL
from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.errors import ConfigError
from symdiff.groups import GroupFamily
from symdiff.process.acting import Asked, Budget, tried_elements
from symdiff.process.effort import chosen_levels
from symdiff.process.equivariance_levels import equivariance_levels
from symdiff.process.equivariance_words import equivariance_words
from symdiff.process.isotypic import isotypic_spectrum
from symdiff.process.moved_run import moved_run, whole_step
from symdiff.process.origin import held_out_of
from symdiff.process.symmetrized import symmetrized_change
from symdiff.progress import Progress, Silent
from symdiff.trajectories import Trajectories


def equivariance(
    family: GroupFamily,
    denoiser: Denoiser | None,
    trajectories: Trajectories,
    *,
    seed: int = 0,
    thorough: bool = False,
    data: HeldOut | None = None,
    device: torch.device | str = "cpu",
    absent: str = "",
    progress: Progress | None = None,
    budget: Budget | None = None,
) -> dict[str, Any]:
    """Measure how far a model commutes with the action of a group.

    Parameters
    ----------
    family
        A family acting on observations.
    denoiser
        The model; without one only the isotypic spectrum of the recording is measured, and `absent` says why.
    trajectories
        Held-out ones.
    seed
        Of elements, noise and bootstraps.
    thorough
        Four times the work.
    data
        Held-out images of the user's; the model's own if ``None``.
    device
        Where the model runs; groups act on the CPU.
    progress
        Told after every level.
    budget
        What is spent; by default `Budget`.

    Returns
    -------
    dict
        Plain data; docs/equivariance.md says what each entry is. ``group``, ``absent``, ``trajectories``, ``elements``
        (``name``, ``coordinates``), ``complete``, ``levels``, ``step_absent``, ``random_absent``, ``run``, ``lie``,
        ``isotypic``, ``symmetrized``, ``words``.

    Raises
    ------
    ConfigError
        The recording is of images of another shape than the model.
    """
    budget = budget or (Budget.thoroughly() if thorough else Budget())
    levels = chosen_levels(trajectories, budget.levels)
    found: dict[str, Any] = {"group": family.title, "absent": None, "level": LEVEL}
    found["isotypic"] = isotypic_spectrum(family, trajectories, levels, seed, budget.replicates)
    pixels = trajectories.states[0, 0].numel()
    elements = tried_elements(family, budget.elements_of(pixels), seed)
    reason = absent or "the model is not at hand" if denoiser is None else None
    if reason is None and not len(elements):
        reason = f"group {family.name!r} has no element but the identity"
    if denoiser is None or reason is not None:
        return _with_words({**found, "absent": reason})
    if tuple(trajectories.observation_shape) != tuple(denoiser.shape):
        raise ConfigError(
            f"the recording has images of shape {trajectories.observation_shape}, model {denoiser.name!r} "
            f"of {denoiser.shape}",
            "give the recording and the model it is of",
        )
    model = Asked(denoiser, device)
    calls = len(levels) * 2
    n = min(budget.trajectories(len(elements), pixels, calls), len(trajectories))
    part = trajectories.select(slice(n))
    found |= {
        "trajectories": n,
        "complete": elements.complete,
        "elements": [
            {"name": name, "coordinates": value.flatten().tolist()}
            for name, value in zip(elements.names(family), elements.values.double(), strict=True)
        ],
        "step_absent": whole_step(part),
    }
    found |= equivariance_levels(family, model, part, elements, levels, budget, seed, progress or Silent())
    found["run"] = moved_run(family, model, part, elements, budget, seed)
    found["symmetrized"] = _symmetrized(family, denoiser, data, trajectories, seed, thorough, device)
    return _with_words(found)


def _with_words(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "words": equivariance_words(found)}


def _symmetrized(
    family: GroupFamily,
    denoiser: Denoiser,
    data: HeldOut | None,
    trajectories: Trajectories,
    seed: int,
    thorough: bool,
    device: torch.device | str,
) -> dict[str, Any]:
    """What averaging changes, or why it was not done."""
    if family.haar_elements() is None:
        return {"absent": f"group {family.name!r} knows no elements to average over"}
    reason = ""
    if data is None:
        data, reason = held_out_of(denoiser)
    if data is None:
        return {"absent": reason}
    clip = bool(trajectories.info.get("clip"))
    return symmetrized_change(denoiser, family, data, clip=clip, seed=seed, thorough=thorough, device=device)
