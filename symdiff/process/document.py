"""The document of `symdiff process`: a recording made or read, its process described, schema ``symdiff.process/1``."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch

from symdiff import __version__
from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.models import find_denoiser, find_sampler
from symdiff.process.describe import describe
from symdiff.process.images_file import refuse_other_shape
from symdiff.process.origin import model_of, warn_of_settings_without_effect
from symdiff.progress import Progress
from symdiff.result import finite
from symdiff.trajectories import Trajectories, is_recording, load_store, recorded, refuse_unfinished
from symdiff.trajectories.parts import parts
from symdiff.warned import warnings_kept

SCHEMA = "symdiff.process/1"


def process_document(
    model: str,
    *,
    sampler: str | None,
    label: int | None = None,
    guidance: float | None = None,
    steps: int,
    trajectories: int,
    seed: int,
    thorough: bool,
    device: torch.device,
    data: HeldOut | None,
    progress: Progress,
) -> dict[str, Any]:
    """Describe the process of a model, or of a recorded directory.

    Parameters
    ----------
    model
        Name of a model, or a directory that ``symdiff record`` wrote; sampler, steps and trajectories are then its own.
    sampler
        ``None`` is the model's own.
    label, guidance
        The class the model is asked for; see `Denoiser.conditioned`.
    steps, trajectories, seed
        What is recorded, and the seed of everything random; recordings are kept in the cache.
    thorough
        See `describe`.
    device
        Where the model runs.
    data
        Held-out images of the user's.
    progress
        Told of the phases ``record`` and ``process``.

    Returns
    -------
    dict
        Plain data: ``schema``, ``model``, ``recording`` (what it says about itself, steps, trajectories and how they
        were split), ``process`` as `describe` gives it, ``timing``, ``warnings``.

    Raises
    ------
    SymdiffError
        The model, the sampler or the recording cannot be had, the data do not fit, or the model fails.
    """
    timing: dict[str, float] = {}
    with warnings_kept() as kept:
        progress.phase("record")
        start = perf_counter()
        refuse_unfinished(model)
        if is_recording(model):
            recording = load_store(model)
            asked = {"sampler": sampler, "label": label, "guidance": guidance}
            numbers = {"steps": steps, "trajectories": trajectories}
            warn_of_settings_without_effect(model, recording, asked | numbers)
            denoiser, absent = model_of(recording)
        else:
            recording, denoiser = _recorded(
                find_denoiser(model, label, guidance), sampler, steps, trajectories, seed, device, data, progress
            )
            absent = ""
        timing["record"] = round(perf_counter() - start, 3)
        progress.phase("process")
        # As `symdiff analyze` does: the figures are the same, and a recording larger than memory is read in parts.
        _, _, train, test = parts(recording, seed)
        process = describe(
            recording,
            denoiser,
            train=train,
            test=test,
            seed=seed,
            thorough=thorough,
            data=data,
            device=device,
            absent=absent,
            progress=progress,
            timing=timing,
        )
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "symdiff_version": __version__,
        "model": model,
        "recording": {
            "model": recording.info.get("model"),
            "sampler": recording.info.get("sampler_settings") or recording.info.get("sampler"),
            "steps": recording.steps,
            "trajectories": len(recording),
            "fitted_on": len(train),
            "judged_on": len(test),
            "observation_shape": list(recording.observation_shape),
            "clip": bool(recording.info.get("clip")),
        },
        "seed": seed,
        "thorough": thorough,
        "process": process,
        "timing": timing,
        "warnings": [*kept(), *recording.info.get("caveats", [])],
    }
    found: dict[str, Any] = finite(document)
    return found


def _recorded(
    denoiser: Denoiser,
    sampler: str | None,
    steps: int,
    trajectories: int,
    seed: int,
    device: torch.device,
    data: HeldOut | None,
    progress: Progress,
) -> tuple[Trajectories, Denoiser]:
    """Trajectories of a model under `sampler` or its own, and the model on the device."""
    if data is not None:
        refuse_other_shape(data, denoiser)
    denoiser = denoiser.to(device)
    chosen = find_sampler(sampler, denoiser)
    recording, _ = recorded(denoiser, chosen, steps, trajectories, seed, device, on_progress=progress.update)
    return recording, denoiser
