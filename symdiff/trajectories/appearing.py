"""A directory that appears complete or not at all, whatever happens to the process that writes it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from symdiff.errors import DiskError, OutputError

UNCLAIMED_SECONDS = 3600.0
"""Age from which a temporary directory without a lock counts as left over."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

ROOM_HINT = "free some room, or choose another place with --out or SYMDIFF_CACHE"


@contextmanager
def appearing(directory: Path) -> Iterator[Path]:
    """Give a hidden sibling to write into; rename it to `directory` on success, remove it on any exception.

    What dead processes left beside it is removed first: a writer holds a lock on its temporary directory,
    which the system releases even on ``kill -9``.

    Raises
    ------
    OutputError
        `directory` holds something, now or by the time of the renaming.
    DiskError
        It cannot be created.
    """
    refuse_occupied(directory)
    with disk_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(directory.parent)
        temporary = _sibling(directory)
        temporary.mkdir()
    try:
        with disk_errors(directory):
            lock = _claim(temporary)
        try:
            yield temporary
            with disk_errors(directory):
                (temporary / "lock").unlink()
                _rename(temporary, directory)
        finally:
            os.close(lock)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into `DiskError`, however a library reports them."""
    try:
        yield
    except OSError as error:
        hint = ROOM_HINT
        if error.errno not in NO_ROOM:
            hint = "choose a directory you can write to, with --out or SYMDIFF_CACHE"
        raise DiskError(f"cannot write {path}: {error.strerror or error}", hint) from error
    except SafetensorError as error:
        if "I/O error" not in str(error):
            raise
        raise DiskError(f"cannot write {path}: {error}", ROOM_HINT) from error
    except RuntimeError as error:
        # torch.save loses the cause: what is left is that its file is shorter than what was written to it.
        if "inline_container" not in str(error):
            raise
        raise DiskError(f"cannot write {path}: the disk may be full", ROOM_HINT) from error


def refuse_occupied(directory: Path) -> None:
    """Raise `OutputError` unless `directory` is absent or an empty directory."""
    with disk_errors(directory):
        if directory.is_dir() and not any(directory.iterdir()):
            return
        if os.path.lexists(directory):
            raise OutputError(f"{directory} already holds something", "choose another directory, or delete this one")


def discard(directory: Path) -> None:
    """Remove a directory so that no reader ever sees a part of it."""
    temporary = _sibling(directory)
    with disk_errors(directory), suppress(FileNotFoundError):  # somebody else may have discarded it
        os.rename(directory, temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the temporary directories in `parent` whose writers are dead."""
    for temporary in parent.glob(".symdiff-*.tmp"):
        with suppress(OSError):
            _remove_if_dead(temporary)


def _remove_if_dead(temporary: Path) -> None:
    try:
        lock = os.open(temporary / "lock", os.O_RDWR)
    except FileNotFoundError:
        # Its writer is just starting, just renaming, or died in one of these moments.
        if time.time() - temporary.stat().st_mtime > UNCLAIMED_SECONDS:
            shutil.rmtree(temporary)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError, an OSError: its writer is alive
        shutil.rmtree(temporary)
    finally:
        os.close(lock)


def _sibling(directory: Path) -> Path:
    return directory.with_name(f".symdiff-{directory.name}-{secrets.token_hex(4)}.tmp")


def _claim(temporary: Path) -> int:
    """Lock the directory against `remove_leftovers`; the name appears only once the lock is held."""
    lock = os.open(temporary / "lock.new", os.O_CREAT | os.O_RDWR, 0o666)
    with suppress(OSError):  # a file system without locks: nobody can take it for dead either
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(temporary / "lock.new", temporary / "lock")
    return lock


def _rename(temporary: Path, directory: Path) -> None:
    try:
        os.rename(temporary, directory)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise OutputError(
                f"{directory} was created by someone else in the meantime", "choose another directory"
            ) from error
        raise
