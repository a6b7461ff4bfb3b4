"""geomstats is imported late, with the right backend, and leaves nothing changed behind it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from symdiff.errors import MissingExtraError
from symdiff_geomstats import library


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints, in which every warning is an error but those of numpy about its own future."""
    env = {k: v for k, v in os.environ.items() if k != "GEOMSTATS_BACKEND"} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_plugin_imports_neither_torch_nor_geomstats() -> None:
    code = "import sys, symdiff_geomstats; print([m for m in ('torch', 'geomstats') if m in sys.modules])"
    assert python(code) == "[]"


def test_geomstats_gets_the_pytorch_backend_and_leaves_dtype_loggers_and_warnings_as_they_were() -> None:
    code = """
import logging, warnings, torch
warnings.simplefilter("error")
before = torch.get_default_dtype(), logging.getLogger().level, list(logging.getLogger().handlers)
from symdiff_geomstats import library
assert library.geomstats().__name__ == "geomstats"
import geomstats.backend
space = library.space("so", 3)
after = torch.get_default_dtype(), logging.getLogger().level, list(logging.getLogger().handlers)
print(geomstats.backend.__name__, before == after, torch.zeros(1).dtype)
with library.double():
    assert torch.zeros(1).dtype == torch.float64
assert torch.zeros(1).dtype == torch.float32
"""
    assert python(code) == "geomstats.pytorch True torch.float32"


def test_geomstats_imported_earlier_with_another_backend_is_refused_with_what_to_do() -> None:
    code = """
import geomstats.backend
from symdiff.errors import BackendError
from symdiff_geomstats.family import GeomstatsFamily
try:
    GeomstatsFamily((1, 2, 2))
except BackendError as error:
    print(error.message, "|", error.hint, "|", error.exit_code)
"""
    message, hint, code_ = python(code, GEOMSTATS_BACKEND="numpy").split(" | ")
    assert "'numpy'" in message
    assert "GEOMSTATS_BACKEND=pytorch" in hint
    assert code_ == "2"


def test_a_missing_geomstats_is_named_with_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "geomstats", raising=False)
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        library.refuse_if_missing()
    assert caught.value.hint == "pip install 'symdiff-toolkit[geomstats]'"
