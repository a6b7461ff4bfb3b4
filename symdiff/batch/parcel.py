"""The directory of a run as one value, to send it between machines that share no folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from symdiff.errors import OutputError
from symdiff.rundir import TEMPORARY
from symdiff.trajectories.appearing import disk_errors

LIMIT = 256 * 2**20
"""Bytes a parcel may hold."""

Parcel = Mapping[str, bytes]
"""What the files of a directory hold, by their paths in it."""


def pack(directory: Path, limit: int = LIMIT) -> dict[str, bytes]:
    """Return the files of a directory, without half-written ones; none if it is not there.

    Raises
    ------
    OutputError
        They are larger than `limit` bytes together.
    """
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and not path.match(TEMPORARY)]
    size = sum(path.stat().st_size for path in files)
    if size > limit:
        raise OutputError(
            f"the run takes {size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB that are sent between nodes",
            "put the study into a folder that all nodes share",
        )
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def unpack(parcel: Parcel, directory: Path) -> None:
    """Make `directory` hold the files of a parcel and nothing else; it appears complete or not at all.

    Raises
    ------
    OutputError
        A file would be outside of the directory.
    DiskError
        It cannot be written.
    """
    new, old = (directory.with_name(f".{directory.name}.{os.getpid()}.{word}.tmp") for word in ("new", "old"))
    with disk_errors(directory):
        try:
            new.mkdir(parents=True)
            for name, content in parcel.items():
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise OutputError(f"a node returned the file {name!r}, outside of its run", "update symdiff there")
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(content)
            if directory.exists():
                directory.rename(old)  # a folder that holds something cannot be replaced in one step
            new.rename(directory)
        finally:
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)
