"""The section on the process: every part of it measured on one recording, and the whole in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch

from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.errors import RunError
from symdiff.process.composed import Composition
from symdiff.process.group_facts import group_facts
from symdiff.process.images_file import refuse_other_shape
from symdiff.process.levels import Bootstrap, affordable_steps, over_steps, pixels
from symdiff.process.likelihood import bound_on
from symdiff.process.linear_part import linear_part
from symdiff.process.origin import held_out_of
from symdiff.process.shared import WORK, SharedR2
from symdiff.process.storage import recording_cautions
from symdiff.process.words import words
from symdiff.progress import Progress, Silent
from symdiff.trajectories import Trajectories

THOROUGH = 4
"""How many times more multiplications and resamples a thorough description takes."""

REPLICATES = 400


def describe(
    recording: Trajectories,
    denoiser: Denoiser | None,
    *,
    train: Trajectories,
    test: Trajectories,
    seed: int = 0,
    thorough: bool = False,
    data: HeldOut | None = None,
    device: torch.device | str = "cpu",
    absent: str = "",
    progress: Progress | None = None,
    timing: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Everything about a process that needs no representation to be learned.

    Parameters
    ----------
    recording
        The whole recording: what its steps are as group elements.
    denoiser
        The model it is of; without one the linear part and the bound are not measured, and `absent` says why.
    train, test
        Disjoint parts of the recording: maps are fitted on the first and judged on the second.
    seed
        Of bootstraps, noise and draws.
    thorough
        Bound at all training times and on all images, more resamples, more steps of large images.
    data
        Held-out images of the user's; the model's own if ``None``.
    device
        Where the model runs.
    progress
        Told of the steps.
    timing
        Filled in with the seconds of each part: ``affine``, ``group``, ``elbo``, ``linear_part``.

    Returns
    -------
    dict
        ``shared_*``, ``ceiling_sampled``, ``composed``, ``group``, ``elbo`` (with ``absent`` in place of figures where
        there is no model or no data), ``linear_part`` (``None`` with ``linear_part_absent``), ``cautions`` on the
        recording as a whole, ``words``.

    Raises
    ------
    DataError
        `data` are not images of the model's shape.
    """
    if data is not None and denoiser is not None:
        refuse_other_shape(data, denoiser)
    clock = _Clock(timing if timing is not None else {})
    bootstrap = Bootstrap(seed, REPLICATES * (THOROUGH if thorough else 1))
    work = WORK * (THOROUGH if thorough else 1)
    process: dict[str, Any] = clock("affine", lambda: _affine(train, test, bootstrap, work, progress or Silent()))
    process["group"] = clock("group", lambda: group_facts(recording))
    process["elbo"] = clock("elbo", lambda: _elbo(recording, denoiser, data, seed, thorough, device, absent, progress))
    process["linear_part"], reason = clock(
        "linear_part", lambda: _linear_part(denoiser, train, seed, thorough, device, absent, progress or Silent())
    )
    process["linear_part_absent"] = reason
    process["cautions"] = recording_cautions(recording)
    alpha_bar = dict(zip(recording.timesteps.double().tolist(), recording.alpha_bar.tolist(), strict=True))
    process["words"] = words(process, alpha_bar)
    return process


def _linear_part(
    denoiser: Denoiser | None,
    trajectories: Trajectories,
    seed: int,
    thorough: bool,
    device: torch.device | str,
    absent: str,
    progress: Progress,
) -> tuple[dict[str, Any] | None, str | None]:
    """The local linear part, or why there is none: a model need not be differentiable to be described otherwise."""
    if denoiser is None:
        return None, absent or "the model is not at hand"
    try:
        model = denoiser.to(device)
        return linear_part(model, trajectories, seed=seed, thorough=thorough, device=device, progress=progress), None
    except RunError as error:
        return None, str(error)


def _affine(
    train: Trajectories, test: Trajectories, bootstrap: Bootstrap, work: float, progress: Progress
) -> dict[str, Any]:
    """Shared maps and their composition, from one pass over the steps."""
    chosen = affordable_steps(len(train), pixels(train), train.steps, work)
    shared, composition = SharedR2(train, test, bootstrap), Composition(train, test, chosen, bootstrap)
    for done, step in enumerate(over_steps(train, test, work)):
        shared.add(step)
        composition.add(step)
        progress.update(done + 1, len(chosen))
    return {**shared.found, "composed": composition.document()}


def _elbo(
    recording: Trajectories,
    denoiser: Denoiser | None,
    data: HeldOut | None,
    seed: int,
    thorough: bool,
    device: torch.device | str,
    absent: str,
    progress: Progress | None,
) -> dict[str, Any]:
    if denoiser is None:
        return {"absent": absent or "the model is not at hand"}
    reason = ""
    if data is None:
        data, reason = held_out_of(denoiser)
    if data is None:
        return {"absent": reason}
    clip = bool(recording.info.get("clip"))
    return bound_on(denoiser, data, clip=clip, seed=seed, thorough=thorough, device=device, progress=progress)


@dataclass
class _Clock:
    """Times the parts of a description."""

    timing: dict[str, float] = field(default_factory=dict)

    def __call__(self, part: str, work: Callable[[], Any]) -> Any:
        start = perf_counter()
        found = work()
        self.timing[part] = round(perf_counter() - start, 3)
        return found
