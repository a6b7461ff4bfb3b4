"""Every test runs with shapes checked, on one thread, with reproducible examples and an empty cache of its own."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported: the machine may have many cores, the matrices here are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MPLBACKEND"] = "Agg"
# A developer's own settings must not decide whether a test passes.
for _name in [name for name in os.environ if name.startswith("SYMDIFF_")]:
    del os.environ[_name]

from tests.shapes import check_shapes

check_shapes(["symdiff", "symdiff_actions", "symdiff_affine", "symdiff_escnn", "symdiff_geomstats"])

import pytest
import torch
from hypothesis import HealthCheck, settings

from symdiff.allocator import keep_freed_memory

torch.set_num_threads(1)
keep_freed_memory()

settings.register_profile(
    "symdiff",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("symdiff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of recordings for the session, so that two tests of the same recording make it once."""
    path = tmp_path_factory.mktemp("cache")
    os.environ["SYMDIFF_CACHE"] = str(path)
    return path
