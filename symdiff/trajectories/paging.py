"""Telling the system which parts of mapped files are read next, all at once.

A page of a mapped file that is not in memory is fetched when it is touched: one after the other, each with what lies
around it, which random reading has no use for. Told in advance, the disk fetches them side by side and nothing else.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PROCESS_MADVISE = 440
"""Number of the system call, the same on all processors (Linux 5.10)."""

WILL_NEED = 3
MOST_RANGES = 1024
"""What one call takes."""


def fetch_ahead(addresses: NDArray[np.uint64], size: int) -> bool:
    """Have `size` bytes from each address on brought into memory; whether the system takes such a hint.

    It does not wait for them, and changes nothing but the time that reading takes.

    Parameters
    ----------
    addresses
        ``[n]``, in mapped files of this process.
    size
        Bytes from each on.
    """
    system = _system()
    if system is None:
        return False
    library, process = system
    within = addresses % np.uint64(os.sysconf("SC_PAGE_SIZE"))
    ranges = np.stack([addresses - within, within + np.uint64(size)], axis=1)
    return all(
        library.syscall(
            PROCESS_MADVISE, process, ctypes.c_void_p(part.ctypes.data), ctypes.c_size_t(len(part)), WILL_NEED, 0
        )
        >= 0
        for part in np.split(ranges, range(MOST_RANGES, len(ranges), MOST_RANGES))
    )


@lru_cache(maxsize=1)
def _of_process(process: int) -> tuple[ctypes.CDLL, int] | None:
    """The C library, and a descriptor of this process."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None), os.pidfd_open(process)
    except OSError:  # a system before 5.3, or one that forbids it
        return None


def _system() -> tuple[ctypes.CDLL, int] | None:
    return _of_process(os.getpid())  # a descriptor of the parent is none of a fork
