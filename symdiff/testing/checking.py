"""The conformance suite on the families of an installed plugin, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from xml.etree import ElementTree

from symdiff.errors import PluginError, RunError
from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.options import check_options
from symdiff.plugins import load_plugins
from symdiff.testing.failure import LawError
from symdiff.testing.suite import GroupFamilySuite, libraries

TEST_FILE = """\
from symdiff.testing.checking import suites

globals().update(suites({name!r}, {shape!r}, {options!r}, {latent!r}))
"""


@dataclass(frozen=True)
class Checked:
    """What a law came to on one family.

    Attributes
    ----------
    family, law
        Their names.
    outcome
        Whether the law holds, does not, or says nothing about the family.
    message
        How it fails, or why it is skipped.
    """

    family: str
    law: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


def check_plugin(
    name: str,
    shape: tuple[int, int, int] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    latent: int | None = None,
) -> tuple[Checked, ...]:
    """Every law on every family of a plugin; nothing if it brings no family.

    Parameters
    ----------
    name
        Of the entry point, or of a family, which is then the only one.
    shape
        ``(C, H, W)`` of the images the families are made for; ``None`` for each family's `example_shape`.
    options
        Options by family, ``{family: {key: value}}``, over its `example_options`.
    latent
        Latent dimension of the models; ``None`` for the families' own.

    Raises
    ------
    PluginError
        There is no such plugin, or it is not usable.
    ConfigError
        An option is unknown or out of range.
    MissingExtraError
        pytest or hypothesis is not installed.
    RunError
        The tests could not be run.
    """
    if not suites(name, shape, options or {}, latent):
        return ()
    libraries()
    chosen = {family: dict(values) for family, values in (options or {}).items()}
    with TemporaryDirectory(prefix="symdiff-check-") as folder:
        test, report = Path(folder) / "test_families.py", Path(folder) / "report.xml"
        test.write_text(TEST_FILE.format(name=name, shape=shape, options=chosen, latent=latent), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line"]
        # Settings of the folder the user happens to be in decide nothing here.
        command += ["-c", os.devnull, f"--rootdir={folder}", f"--junit-xml={report}", str(test)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTEST_ADDOPTS": ""}
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        # 0: all passed, 1: some failed.
        if ran.returncode not in (0, 1) or not report.exists():
            last = (ran.stderr.strip() or ran.stdout.strip()).splitlines()[-1:]
            raise RunError(
                f"the tests of plugin {name!r} could not be run: {' '.join(last)}",
                "test it from a file of its own, as `symdiff new-plugin` writes one: pytest then says more",
            )
        return tuple(_checked(case) for case in ElementTree.parse(report).iter("testcase"))


def suites(
    name: str, shape: tuple[int, int, int] | None, options: Mapping[str, Mapping[str, Any]], latent: int | None = None
) -> dict[str, type[GroupFamilySuite]]:
    """A suite for every family of a plugin, by the name of a test class.

    Raises
    ------
    PluginError
        There is no such plugin, or it is not usable.
    ConfigError
        An option is unknown or out of range.
    """
    found: dict[str, type[GroupFamilySuite]] = {}
    for cls in families(name):
        checked = check_options(cls.Options, {**cls.example_options, **options.get(cls.name, {})}, cls.name)
        found[f"Test_{cls.name}"] = _suite(cls, shape or cls.example_shape, checked, latent)
    return found


def families(name: str) -> list[type[GroupFamily]]:
    """The families of the plugin called `name`, or the one family called so.

    Raises
    ------
    PluginError
        There is no such plugin, or it is not usable.
    """
    plugin = load_plugins().plugin(name)
    status = plugin.status
    if status.status != "ok":
        cause = f": {status.cause}" if status.cause else ""
        raise PluginError(f"plugin {status} is {status.status}{cause}", status.hint)
    return [family for family in plugin.families if name in (status.name, family.name)]


def _suite(
    cls: type[GroupFamily], shape: tuple[int, int, int], options: FamilyOptions, latent: int | None
) -> type[GroupFamilySuite]:
    def family(self: GroupFamilySuite) -> GroupFamily:
        return cls.of(shape, options)

    return type(f"Test_{cls.name}", (GroupFamilySuite,), {"family": family, "latent": latent})


def _checked(case: ElementTree.Element) -> Checked:
    family = case.get("classname", "").rpartition("Test_")[2]
    law = case.get("name", "").removeprefix("test_")
    for kind in ("failure", "error"):
        found = case.find(kind)
        if found is not None:
            message = found.get("message", "").removeprefix(f"{LawError.__module__}.{LawError.__name__}: ")
            return Checked(family, law, "failed", message)
    skipped = case.find("skipped")
    if skipped is not None:
        return Checked(family, law, "skipped", skipped.get("message", "").removeprefix("Skipped: "))
    return Checked(family, law, "passed")
