"""Memory of tensors that are freed and allocated again at every step is kept by the process.

The C library of Linux gives freed memory back to the system as soon as it can, and every page of it costs a fault when
the same tensor is allocated again: on small networks that is a fifth of the time of a step.
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt(3)``."""

KEPT_BYTES = 2**30
"""What may be kept at most, beyond what is in use."""

MAPPED_BYTES = 2**25
"""Blocks from this size on are mapped one by one, and given back: the most the library takes for an answer."""

SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")


def keep_freed_memory() -> bool:
    """Let freed memory be used again without the system; whether that was done.

    It is not where the C library is not glibc, or the environment says how it is to allocate.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in SET_BY_USER):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(MMAP_THRESHOLD, MAPPED_BYTES) and library.mallopt(TRIM_THRESHOLD, KEPT_BYTES))
