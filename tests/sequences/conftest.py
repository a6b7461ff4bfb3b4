"""A plugin with the families of `turning`, installed as a third party would install it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symdiff import plugins

HOOK = """
from symdiff import hookimpl

@hookimpl
def symdiff_group_families():
    from turning import LawlessTurns, Turns
    return [Turns, LawlessTurns]
"""


@pytest.fixture(scope="module", autouse=True)
def turns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder the plugin is installed in."""
    path = tmp_path_factory.mktemp("site")
    (path / "plugin_turns.py").write_text(HOOK, encoding="utf-8")
    (path / "turning.py").write_text(Path(__file__).with_name("turning.py").read_text(), encoding="utf-8")
    info = path / "turns-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: turns\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[symdiff]\nturns = plugin_turns\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path))
        importlib.invalidate_caches()
        plugins._load_plugins.cache_clear()
        yield path
        sys.modules.pop("plugin_turns", None)
    plugins._load_plugins.cache_clear()
