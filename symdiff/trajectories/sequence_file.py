"""Files of observed sequences: ``sequences:FILE`` in the place of a model."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from symdiff.errors import MissingExtraError, SequencesError
from symdiff.trajectories.observed import ObservedSequences
from symdiff.trajectories.sequence_checks import NAMES, REQUIRED, WANTED, observed

PREFIX = "sequences:"

ENDINGS = (".npz", ".safetensors", ".h5", ".hdf5")

FORM = "sequences:FILE"
"""How such a file is written as MODEL."""


def is_sequences(model: str) -> bool:
    """Whether MODEL names a file of sequences, there or not."""
    return model.startswith(PREFIX)


def sequence_file(model: str) -> Path:
    """The file that ``sequences:FILE`` names.

    Raises
    ------
    SequencesError
        It is missing, or of a kind that is not read.
    """
    file = Path(model.removeprefix(PREFIX)).expanduser()
    if file.suffix.lower() not in ENDINGS:
        raise SequencesError(f"{str(file)!r} is not one of {', '.join(ENDINGS)}", WANTED)
    if not file.is_file():
        raise SequencesError(f"{file} {'is no file' if file.exists() else 'does not exist'}", f"give {FORM}")
    return file


def digest_of_sequences(model: str) -> str:
    """SHA-256 of the file: the digest of the model that ``sequences:FILE`` stands for.

    Raises
    ------
    SequencesError
        The file is missing or unreadable.
    """
    file = sequence_file(model)
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SequencesError(f"cannot read {file}: {error.strerror}", f"give {FORM}") from error


def read_sequences(model: str, digest: str | None = None, memory: int | None = None) -> ObservedSequences:
    """The sequences of a file, checked, in memory.

    Parameters
    ----------
    model
        ``sequences:FILE``: ``.npz``, ``.safetensors``, ``.h5`` or ``.hdf5`` with arrays `observations`
        ``[B, N+1, C, H, W]`` or ``[B, N+1, D]``, `actions` ``[B, N, A]`` and, if they are known, `factors`
        ``[B, N+1, F]``. Vectors become images of D channels and one pixel. Nothing is unpickled.
    digest
        What the file's SHA-256 has to be; ``None`` for any.
    memory
        Bytes the observations may take up as float32; a quarter of the machine's memory if ``None``.

    Raises
    ------
    SequencesError
        The file is missing, damaged, has changed or is too large, or its arrays are no sequences.
    MissingExtraError
        It is HDF5, and h5py is not installed.
    """
    file, found = sequence_file(model), digest_of_sequences(model)
    if digest is not None and digest != found:
        raise SequencesError(
            f"{file} has changed: its digest is {found[:12]}…, not {digest[:12]}…",
            "the same command again takes the file as it is now",
        )
    arrays = arrays_of(file)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise SequencesError(f"{file} has no array {' and no array '.join(missing)}", WANTED)
    return observed(arrays, {"model": model, "model_digest": found, "sampler": None}, str(file), memory)


def arrays_of(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays among `NAMES` that a file holds, as they are stored.

    Raises
    ------
    SequencesError
        It cannot be read, or one of them holds Python objects.
    MissingExtraError
        It is HDF5, and h5py is not installed.
    """
    read = {".npz": _npz, ".safetensors": _safetensors}.get(file.suffix.lower(), _hdf5)
    try:
        return read(file)
    except (SequencesError, MissingExtraError):
        raise
    except Exception as error:  # a damaged file makes its reader raise nearly anything
        cause = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in cause:
            raise _objects(file) from error
        raise SequencesError(f"{file} cannot be read as {file.suffix}: {cause}", WANTED) from error


def _npz(file: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(file):  # numpy would take it for a pickle
        raise SequencesError(f"{file} cannot be read as .npz: it is no archive of numpy.savez", WANTED)
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in NAMES if name in archive.files}


def _safetensors(file: Path) -> dict[str, NDArray[Any]]:
    try:
        held = load_file(file)
    except (SafetensorError, TypeError, KeyError) as error:  # bfloat16 has no numpy type
        raise SequencesError(f"{file} cannot be read as .safetensors: {error}", WANTED) from error
    return {name: held[name] for name in NAMES if name in held}


def _hdf5(file: Path) -> dict[str, NDArray[Any]]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            f"{file} is HDF5, which the package h5py reads, and it cannot be imported: {error}",
            "pip install 'symdiff-toolkit[hdf5]'",
        ) from error
    with h5py.File(file, "r") as opened:
        found = {}
        for name in NAMES:
            if name not in opened:
                continue
            held = opened[name]
            if not isinstance(held, h5py.Dataset):
                raise SequencesError(f"{name} in {file} is a group of HDF5, not an array", WANTED)
            if held.dtype.kind == "O":
                raise _objects(file)
            found[name] = np.asarray(held[()])
        return found


def _objects(file: Path) -> SequencesError:
    return SequencesError(
        f"{file} holds an array of Python objects, which is not read: unpickling runs whatever code is in it",
        f"store numbers, and sequences of one length: {WANTED}",
    )
