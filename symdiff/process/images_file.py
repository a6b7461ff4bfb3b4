"""Held-out images in a file of the user's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from symdiff.diffusion.denoisers import Denoiser, HeldOut
from symdiff.errors import DataError

WANTED = "store one array [n, C, H, W] of numbers in [-1, 1]: 8-bit grey levels g are g / 127.5 - 1"

ENDINGS = (".npy", ".npz", ".safetensors")

ROUNDING = 1e-5
"""How far a stored number may be from the grey level it stands for."""

MOST_LEVELS = 256


def read_images(file: Path) -> HeldOut:
    """The images in `file`, as float32.

    Parameters
    ----------
    file
        An ``.npy`` of shape [n, C, H, W], or an ``.npz`` or ``.safetensors`` with one such array. Grey levels are
        recognised where all numbers lie on at most 256 evenly spaced ones from -1 to 1; else the data count as
        continuous.

    Raises
    ------
    DataError
        The file is missing, damaged or of another kind; or what it holds is no such array, or leaves [-1, 1].
    """
    array = _array(file)
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"the array in {file} has shape {list(array.shape)}, not [n, C, H, W]", WANTED)
    if array.dtype.kind not in "fiu":
        raise DataError(f"the array in {file} holds {array.dtype}, not numbers", WANTED)
    images = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not bool(images.isfinite().all()):
        wrong = int((~images.isfinite()).flatten(1).any(1).sum())
        raise DataError(f"{wrong} of {len(images)} images in {file} hold NaN or infinity", WANTED)
    low, high = float(images.min()), float(images.max())
    if low < -1 - ROUNDING or high > 1 + ROUNDING:
        raise DataError(f"the images in {file} range from {low:g} to {high:g}, not within [-1, 1]", WANTED)
    half_bin = grey_levels(images)
    found = "continuous" if half_bin is None else f"{round(1 / half_bin) + 1} grey levels"
    return HeldOut(images, half_bin, f"{len(images)} images from {file.name} ({found})")


def refuse_other_shape(data: HeldOut, denoiser: Denoiser) -> None:
    """Raise `DataError` unless the images are of the model's shape."""
    shape = tuple(data.images.shape[1:])
    if shape != denoiser.shape:
        raise DataError(
            f"--data holds images of shape {shape}, model {denoiser.name!r} makes {denoiser.shape}",
            "give images as the model makes them",
        )


def grey_levels(images: torch.Tensor) -> float | None:
    """Half the spacing of the fewest evenly spaced levels from -1 to 1 that all numbers lie on; ``None`` if none do."""
    values = torch.unique((images.double() * 2**16).round()) / 2**16
    if len(values) > 4 * MOST_LEVELS:
        return None
    for levels in range(max(len(values), 2), MOST_LEVELS + 1):
        place = (values + 1) * (levels - 1) / 2
        if float((place - place.round()).abs().max()) * 2 / (levels - 1) < ROUNDING + 2**-16:
            return 1 / (levels - 1)
    return None


def _array(file: Path) -> NDArray[Any]:
    if file.suffix.lower() not in ENDINGS:
        raise DataError(f"{file} is not one of {', '.join(ENDINGS)}", WANTED)
    try:
        if file.suffix.lower() == ".safetensors":
            held = dict(load_file(file))
        elif file.suffix.lower() == ".npz":
            with np.load(file, allow_pickle=False) as archive:
                held = {name: archive[name] for name in archive.files}
        else:
            held = {"array": np.load(file, allow_pickle=False)}
    except FileNotFoundError:
        raise DataError(f"{file} does not exist", "give a file of images to --data") from None
    except (OSError, EOFError, ValueError, SafetensorError, AttributeError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as {file.suffix}: {cause}", WANTED) from error
    if len(held) != 1:
        named = ", ".join(f"{name} {list(array.shape)}" for name, array in held.items()) or "nothing"
        raise DataError(f"{file} holds {named}: one array is wanted", WANTED)
    [array] = held.values()
    return np.asarray(array)


def bits_of_uniform(half_bin: float | None) -> float | None:
    """Bits per dimension of the uniform law over the grey levels; ``None`` for continuous data."""
    return None if half_bin is None else math.log2(1 / half_bin + 1)
