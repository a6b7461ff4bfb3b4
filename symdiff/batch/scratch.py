"""Folders for the time of a `with`, of which those that a killed process left go when the next one is made."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch(prefix: str, where: Path) -> Iterator[Path]:
    """Make a folder in `where` that is removed at the end; first remove what dead processes of this machine left there.

    The name holds the machine and the process, for a folder may be seen by several machines; and the folder is locked,
    for a process of another container may not be seen from this one.

    Parameters
    ----------
    prefix
        What the names begin with; only such folders are looked at.
    where
        The folder of temporary files.

    Yields
    ------
    Path
        The folder, empty.
    """
    mine = f"{prefix}{_machine()}-"
    for folder in where.glob(f"{mine}*"):
        found = re.fullmatch(r"(\d+)-.*", folder.name.removeprefix(mine))
        if found and not _lives(int(found[1])):
            _remove_unless_held(folder)
    folder = Path(tempfile.mkdtemp(prefix=f"{mine}{os.getpid()}-", dir=where))
    try:
        lock = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _machine() -> str:
    """Return a short word for this machine: paths of sockets have no room for its name."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _remove_unless_held(folder: Path) -> None:
    with suppress(OSError):  # somebody else's, or gone meanwhile
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
