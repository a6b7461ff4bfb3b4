"""The example plugins, built and installed into a folder; nothing is added to the environment the tests run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

EXAMPLES = sorted(path.parent for path in (ROOT / "docs" / "examples").glob("*/pyproject.toml"))

BUNDLED = "actions,affine,escnn,geomstats"


@dataclass(frozen=True)
class Site:
    """Where the wheels lie, and the folder they are installed in."""

    wheels: Path
    installed: Path

    def run(self, *arguments: str | Path, cwd: Path, code: int = 0, **environment: str) -> str:
        """Stdout of a Python process that finds the examples installed, whose exit code is `code`."""
        path = os.pathsep.join([str(self.installed), *filter(None, sys.path)])
        ran = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout

    def symdiff(self, *arguments: str | Path, cwd: Path, code: int = 0, **environment: str) -> dict[str, Any]:
        """The document a command prints."""
        main = "from symdiff.cli import main; main()"
        found: dict[str, Any] = json.loads(
            self.run("-c", main, *arguments, "--json", cwd=cwd, code=code, **environment)
        )
        return found


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Site:
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("examples")
    wheels = [next(WheelBuilder(str(example)).build(directory=str(folder / "wheels"))) for example in EXAMPLES]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(folder / "site"), *wheels], check=True)
    return Site(folder / "wheels", folder / "site")
