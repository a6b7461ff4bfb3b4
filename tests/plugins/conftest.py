"""Plugins installed for real: modules and their metadata in a folder on `sys.path`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symdiff import plugins

FAMILY = """
import torch
from symdiff import GroupFamily, hookimpl

class {name}(GroupFamily):
    name = "{name}"
    summary = "plus and minus one, acting by sign"
    element_shape = ()

    def identity(self): return torch.ones(())
    def compose(self, g2, g1): return g2 * g1
    def inverse(self, g): return g
    def sample(self, n, generator=None): return torch.randint(0, 2, (n,), generator=generator) * 2.0 - 1
    def distance(self, g1, g2): return (g1 - g2).abs()
    def act(self, g, x): return g[..., None, None, None] * x
"""

HOOK = """
@hookimpl
def symdiff_group_families():
    return [{name}]
"""


class Site:
    """A folder of installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.modules: set[str] = set()

    def install(
        self,
        name: str,
        code: str,
        *,
        module: str | None = None,
        distribution: str | None = None,
        version: str = "1.2",
        requires: tuple[str, ...] = (),
    ) -> None:
        """Install a distribution with one module and one entry point `name`."""
        module = module or f"plugin_{name}"
        distribution = distribution or f"dist-{name}"
        self.modules.add(module)
        (self.path / f"{module}.py").write_text(code, encoding="utf-8")
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        required = "".join(f"Requires-Dist: {item}\n" for item in requires)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{required}", encoding="utf-8"
        )
        (info / "entry_points.txt").write_text(f"[symdiff]\n{name} = {module}\n", encoding="utf-8")
        importlib.invalidate_caches()
        plugins._load_plugins.cache_clear()

    def install_family(self, name: str, *, family: str | None = None, more: str = "", **where: str) -> None:
        """Install a plugin that works."""
        code = FAMILY.format(name=family or name) + HOOK.format(name=family or name) + more
        self.install(name, code, **where)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    installed = Site(path)
    yield installed
    for module in installed.modules:
        sys.modules.pop(module, None)
    plugins._load_plugins.cache_clear()
