"""The model a recording is of, and the images to judge it by: found again, or the reason why not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from symdiff.config import RunConfig
from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.errors import MissingExtraError, SymdiffError
from symdiff.models import find_denoiser
from symdiff.trajectories import ObservedSequences, Trajectories

AT_HAND = "the model is not at hand"


def model_of(recording: Trajectories) -> tuple[Denoiser | None, str]:
    """The model of this name and class if it is the very one that was recorded, else ``None`` and why."""
    name, digest = recording.info.get("model"), recording.info.get("model_digest")
    if not isinstance(name, str) or not digest:
        return None, f"{AT_HAND}: the recording does not say which it is of"
    info = recording.info
    try:
        denoiser = find_denoiser(info.get("found_at") or name, info.get("label"), info.get("guidance"))
    except SymdiffError as error:
        return None, f"{AT_HAND}: {error.message}"
    if denoiser.digest != digest:
        return (
            None,
            f"{AT_HAND}: {name!r} is not the one that was recorded (digest {digest[:12]}, not {denoiser.digest[:12]})",
        )
    return denoiser, ""


def warn_of_settings_without_effect(model: str, recording: Trajectories, settings: Mapping[str, Any]) -> None:
    """Warn if a recording, or a file of sequences, is given with settings that it does not have.

    Parameters
    ----------
    model
        The directory.
    recording
        What it holds.
    settings
        ``steps``, ``trajectories``, ``sampler``, ``label`` and ``guidance`` by name; defaults count as not given.
    """
    found = {"steps": recording.steps, "trajectories": len(recording)}
    if any(value not in (found.get(name), RunConfig.model_fields[name].default) for name, value in settings.items()):
        observed = isinstance(recording, ObservedSequences)
        what = "{} observed sequences of {} actions" if observed else "a recording of {} trajectories of {} steps"
        warnings.warn(
            f"{model} is {what.format(len(recording), recording.steps)}: --trajectories, "
            "--steps, --sampler, --label and --guidance do not change it",
            stacklevel=2,
        )


def held_out_of(denoiser: Denoiser) -> tuple[HeldOut | None, str]:
    """Held-out images that the model knows, else ``None`` and why."""
    try:
        found = denoiser.held_out()
    except MissingExtraError as error:
        return None, f"{error.message} ({error.hint})"
    return found, "" if found is not None else "the model knows no held-out images: give some with --data"
