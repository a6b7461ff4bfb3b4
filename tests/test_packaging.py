"""What is installed from a wheel, and the rules the code keeps to."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str | Path, **environment: str) -> str:
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    [file] = folder.glob("*.whl")
    return file


def test_the_wheel_holds_the_package_its_plugins_and_its_data(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    packages = {"symdiff": ROOT / "symdiff"} | {folder.name: folder for folder in (ROOT / "plugins").glob("symdiff_*")}
    for name, folder in packages.items():
        needed = {
            f"{name}/{file.relative_to(folder).as_posix()}"
            for file in folder.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert needed <= held
    assert {
        "symdiff/py.typed",
        "symdiff/diffusion/weights/digits.safetensors",
        "symdiff/diffusion/weights/mnist.safetensors",
        "symdiff/report/glossary.toml",
    } <= held
    assert any(re.fullmatch(r"symdiff/report/templates/.+\.j2", name) for name in held)
    assert not any(name.startswith(("tests", "docs", "plugins", "benchmarks")) for name in held)


def test_the_installed_wheel_finds_its_plugin(wheel, tmp_path):
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", tmp_path, wheel)
    code = (
        "import symdiff, symdiff_affine; from symdiff.plugins import load_plugins;"
        "status = load_plugins().plugin('affine').status;"
        "print(symdiff.__file__, symdiff_affine.__file__, status.status, status.file, sep='\\n')"
    )
    core, plugin, status, file = run(sys.executable, "-P", "-c", code, PYTHONPATH=str(tmp_path)).split()
    assert core == str(tmp_path / "symdiff" / "__init__.py")
    assert plugin == file == str(tmp_path / "symdiff_affine" / "__init__.py")
    assert status == "ok"


def test_the_layers_hold():
    assert "0 broken" in run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()")


def test_every_plugin_of_the_repository_is_packaged_and_has_an_entry_point():
    folders = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {f"plugins/{name}" for name in folders} == set(packages) - {"symdiff"}
    assert set(PROJECT["project"]["entry-points"]["symdiff"].values()) == folders


def test_everything_installed_is_pinned():
    """So that two machines run the same code: every requirement of every extra has a line in constraints.txt."""
    pins = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    names = {re.match(r"[\w.-]+", item)[0].lower().replace("_", "-") for item in wanted} - {"symdiff-toolkit"}
    assert names <= pins
    assert "escnn" not in pins


def test_heavy_libraries_are_extras():
    core = {re.match(r"[\w.-]+", item)[0] for item in PROJECT["project"]["dependencies"]}
    assert not core & {"escnn", "geomstats", "diffusers", "ray", "lie_learn", "pymanopt", "autograd"}


def test_a_file_is_about_one_thing():
    files = [*(ROOT / "symdiff").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file for file, count in lines.items() if count > 400} == set()
    assert statistics.median(lines.values()) <= 150
    assert not {file.stem for file in files} & {"utils", "helpers", "common", "misc"}


def test_the_version_is_stated_once():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert run(sys.executable, "-c", "from symdiff.cli import main; main(['--version'])").startswith("symdiff 0.")


def test_the_command_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "symdiff", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("symdiff ")
