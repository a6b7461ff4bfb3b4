"""Every benchmark can be begun, and is described."""

from __future__ import annotations

from importlib import import_module

import pytest
from pages import ROOT

from benchmarks import BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_there_and_in_the_readme(name):
    assert callable(import_module(f"benchmarks.{name}").run)
    assert f"| `{name}` |" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
