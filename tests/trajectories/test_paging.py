"""Parts of a mapped file that are asked for in advance come into memory, and nothing around them."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from symdiff.trajectories import paging
from symdiff.trajectories.paging import fetch_ahead

PAGES, PAGE = 4096, mmap.PAGESIZE


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    """A file of 16 MiB that is mapped, and no page of which is in memory."""
    file = tmp_path / "file"
    file.write_bytes(np.zeros(PAGES * PAGE, np.uint8).tobytes())
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    return np.memmap(file, np.uint8, "r")


def resident(mapped: np.ndarray) -> np.ndarray:
    """Which pages are in memory."""
    found = np.zeros(PAGES, np.uint8)
    library = ctypes.CDLL(None)
    assert library.mincore(ctypes.c_void_p(mapped.ctypes.data), ctypes.c_size_t(PAGES * PAGE), found.ctypes.data_as(
        ctypes.c_void_p)) == 0  # fmt: skip
    return (found & 1).astype(bool)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems take no such hint")
def test_the_pages_asked_for_come_and_their_neighbours_do_not(mapped) -> None:
    if resident(mapped).any():
        pytest.skip("the file system keeps its pages whatever it is told")
    asked = np.arange(10, PAGES - 10, 3)[:1200]  # more than one call takes
    assert fetch_ahead((mapped.ctypes.data + PAGE * asked + 100).astype(np.uint64), 200)
    for _ in range(200):
        if resident(mapped)[asked].all():
            break
        time.sleep(0.01)
    assert resident(mapped)[asked].all()
    assert not resident(mapped)[asked + 1].any()


def test_where_the_system_takes_no_hint_nothing_is_done(mapped, monkeypatch) -> None:
    monkeypatch.setattr(paging, "_system", lambda: None)
    assert not fetch_ahead(np.array([mapped.ctypes.data], np.uint64), 1)
