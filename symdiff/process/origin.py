"""The model a recording is of, and the images to judge it by: found again, or the reason why not."""

from __future__ import annotations

from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.errors import MissingExtraError, SymdiffError
from symdiff.models import find_denoiser
from symdiff.trajectories import Trajectories

AT_HAND = "the model is not at hand"


def model_of(recording: Trajectories) -> tuple[Denoiser | None, str]:
    """The model of this name if it is the very one that was recorded, else ``None`` and why."""
    name, digest = recording.info.get("model"), recording.info.get("model_digest")
    if not isinstance(name, str) or not digest:
        return None, f"{AT_HAND}: the recording does not say which it is of"
    try:
        denoiser = find_denoiser(name)
    except SymdiffError as error:
        return None, f"{AT_HAND}: {error.message}"
    if denoiser.digest != digest:
        return (
            None,
            f"{AT_HAND}: {name!r} is not the one that was recorded (digest {digest[:12]}, not {denoiser.digest[:12]})",
        )
    return denoiser, ""


def held_out_of(denoiser: Denoiser) -> tuple[HeldOut | None, str]:
    """Held-out images that the model knows, else ``None`` and why."""
    try:
        found = denoiser.held_out()
    except MissingExtraError as error:
        return None, f"{error.message} ({error.hint})"
    return found, "" if found is not None else "the model knows no held-out images: give some with --data"
