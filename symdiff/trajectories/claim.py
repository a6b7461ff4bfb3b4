"""One process at a time writes a recording into a directory."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from symdiff.errors import OutputError
from symdiff.trajectories.appearing import disk_errors, remove_leftovers

log = logging.getLogger(__name__)


@contextmanager
def claimed(directory: Path, *, wait: bool) -> Iterator[None]:
    """Make a directory and hold it for this process; directories made in vain are removed again.

    The lock is the system's: it releases it however the process ends, ``kill -9`` included.

    Parameters
    ----------
    directory
        The directory.
    wait
        Wait for another process that holds it; otherwise that is an error.

    Raises
    ------
    OutputError
        Another process holds it, or it is a file.
    DiskError
        It cannot be made.
    """
    made: list[Path] = []
    with disk_errors(directory):
        lock = _lock(directory, wait, made)
    try:
        yield
    finally:
        for path in reversed(made):
            with suppress(OSError):  # it holds something
                path.rmdir()
        os.close(lock)


def _lock(directory: Path, wait: bool, made: list[Path]) -> int:
    while True:
        _make(directory, made)
        lock = os.open(directory, os.O_RDONLY)
        try:
            _wait_for(lock, directory, wait)
            # Whoever held it may have removed it, or moved it away.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(directory)):
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _make(directory: Path, made: list[Path]) -> None:
    if os.path.lexists(directory) and not directory.is_dir():
        raise OutputError(f"{directory} already holds something: it is a file", "choose another directory")
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    made += [path for path in reversed(missing) if path not in made]
    remove_leftovers(directory.parent)


def _wait_for(lock: int, directory: Path, wait: bool) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise OutputError(
                f"another process is recording into {directory}", "wait for it, stop it, or choose another directory"
            ) from None
        log.info("waiting for another process, which is recording the same into %s", directory)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks
