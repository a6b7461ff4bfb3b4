"""Matrices in a file: one array ``[K, m, m]`` in an ``.npz``, ``.npy`` or ``.safetensors``, never unpickled."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from symdiff.errors import MatricesError

log = logging.getLogger(__name__)

NAME = "matrices"
"""The array that is read where a file has several."""

WANTED = f"store one array of shape [K, m, m], or name it {NAME!r}"

Held = Tensor | NDArray[Any] | None
"""An array of a file; ``None`` if it is pickled and therefore not read."""


def read_matrices(file: Path) -> Tensor:
    """The matrices in `file`, in the type they are stored in.

    Parameters
    ----------
    file
        An ``.npz`` or ``.safetensors`` with an array named ``matrices`` or with exactly one array of shape
        ``[K, m, m]``, or an ``.npy`` of that shape.

    Returns
    -------
    Tensor
        ``[K, m, m]`` on the CPU; its entries have not been looked at.

    Raises
    ------
    MatricesError
        The file is missing, damaged or of another format, its matrices are pickled or not numbers, there is no array
        of the shape, or it is not clear which.
    """
    try:
        missing = "" if file.is_file() else "is a folder" if file.is_dir() else "does not exist"
    except OSError as error:  # a folder on the way to it is closed to us
        missing = f"cannot be read: {error.strerror}"
    if missing:
        raise MatricesError(f"{file} {missing}", "give a file with an array [K, m, m]")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise MatricesError(
            f"{file} is not one of {known}", f"write it with `numpy.savez({file.stem!r}, {NAME}=array)`"
        )
    try:
        held = reader(file)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, SafetensorError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise MatricesError(f"{file} cannot be read as {file.suffix}: {cause}", WANTED) from error
    matrices = _choose(file, held)
    log.info("%s: %d matrices %d x %d, %s", file, *matrices.shape, str(matrices.dtype).removeprefix("torch."))
    return matrices


def _choose(file: Path, held: Mapping[str, Held]) -> Tensor:
    """The array named `NAME`, else the only one there is, else the only one of the right shape."""
    stacks = [name for name, array in held.items() if _is_stack(array)]
    chosen = [NAME] if NAME in held else list(held) if len(held) == 1 else stacks
    listed = ", ".join(f"{name} {_shape(array)}" for name, array in held.items()) or "nothing"
    if not chosen:
        raise MatricesError(f"no array in {file} has shape [K, m, m]; it holds {listed}", WANTED)
    if len(chosen) > 1:
        raise MatricesError(f"{file} has several arrays [K, m, m] and none named {NAME!r}; it holds {listed}", WANTED)
    array = held[chosen[0]]
    if array is None:
        raise MatricesError(
            f"{file} holds pickled objects, which are not read: they could run code",
            "save an array of numbers; matrices of different sizes do not fit into one",
        )
    if not _is_stack(array):
        hint = "a single matrix A is stored as A[None]" if array.ndim == 2 else f"{WANTED}, K and m at least 1"
        raise MatricesError(f"the array in {file} is not [K, m, m]: {listed}", hint)
    if isinstance(array, Tensor):
        return array
    if array.dtype.kind not in "fiubc":
        raise MatricesError(f"the array in {file} does not hold numbers but {array.dtype}", WANTED)
    # Torch knows neither foreign byte orders nor numbers of more than 64 bits.
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
    return torch.from_numpy(array.astype(np.float64 if wide else array.dtype.newbyteorder("=")))


def _is_stack(array: Held) -> bool:
    return array is not None and array.ndim == 3 and array.shape[1] == array.shape[2] and 0 not in array.shape


def _shape(array: Held) -> str:
    return "(pickled)" if array is None else str(list(array.shape))


def _npz(file: Path) -> dict[str, Held]:
    if not zipfile.is_zipfile(file):
        raise ValueError("it is not an archive of arrays")
    with np.load(file, allow_pickle=False) as archive:
        return {name: _unpickled(partial(archive.__getitem__, name)) for name in archive.files}


def _npy(file: Path) -> dict[str, Held]:
    with file.open("rb") as stream:
        if stream.read(6) != np.lib.format.MAGIC_PREFIX:
            raise ValueError("it does not begin as an array of numpy does")
    return {"array": _unpickled(partial(np.load, file, allow_pickle=False))}


def _unpickled(read: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
    """The array, or ``None`` if reading it would mean unpickling."""
    try:
        return read()
    except ValueError as error:
        if "allow_pickle" in str(error):
            return None
        raise


def _safetensors(file: Path) -> dict[str, Held]:
    return {**load_file(file)}


_READERS: dict[str, Callable[[Path], dict[str, Held]]] = {".npz": _npz, ".npy": _npy, ".safetensors": _safetensors}
