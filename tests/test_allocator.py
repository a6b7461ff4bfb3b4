"""Freed memory is used again without asking the system, unless the user says how to allocate."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from symdiff.allocator import keep_freed_memory
done = keep_freed_memory()
for _ in range(20):
    torch.ones(2**21)  # 8 MiB: taken from the system once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**21)
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other C libraries have no such setting")
@pytest.mark.parametrize("setting", [{}, {"MALLOC_TRIM_THRESHOLD_": "0"}])
def test_tensors_made_again_cost_no_page_faults_unless_the_user_sets_the_allocator(setting, monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    done, faults = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    ).stdout.split()
    assert done == str(not setting)
    assert (int(faults) < 1000) == (not setting)  # 20 times 2048 pages
