"""A plugin that is written works as it stands: its tests pass, and symdiff finds it."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from symdiff.errors import OutputError, UsageError
from symdiff.scaffold import new_plugin

COMMON = {".github/workflows/test.yml", ".gitignore", "README.md", "pyproject.toml"}

KINDS = {
    "group": {"symdiff_my_own/family.py", "tests/test_family.py"},
    "source": {"symdiff_my_own/model.py", "tests/test_model.py"},
    "diagnostic": {"symdiff_my_own/diagnostic.py", "tests/test_diagnostic.py"},
}


def installed(*folders: Path) -> dict[str, str]:
    """The environment of a process in which the packages in these folders are installed, for real."""
    site = folders[0].parent / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(site), *map(str, folders)], check=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}


def run(environment: dict[str, str], folder: Path, *command: str) -> str:
    ran = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_these_files_are_written_and_they_are_python_and_toml(tmp_path, kind):
    made = new_plugin("my-own", tmp_path, kind)
    assert made.folder == tmp_path / "symdiff-my-own"
    written = {file.relative_to(made.folder).as_posix() for file in made.folder.rglob("*") if file.is_file()}
    assert written == set(made.files) == COMMON | {"symdiff_my_own/__init__.py"} | KINDS[kind]
    for file in made.folder.rglob("*.py"):
        py_compile.compile(str(file), doraise=True)
    project = tomllib.loads((made.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["symdiff"] == {"my-own": "symdiff_my_own"}
    assert not any("{{" in (made.folder / file).read_text(encoding="utf-8") for file in made.files)


def test_its_own_tests_pass_and_symdiff_finds_it(tmp_path):
    made = new_plugin("my-own", tmp_path, "group")
    environment = installed(made.folder)
    out = run(environment, made.folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-rs")
    assert "21 passed, 5 skipped" in out
    assert "the family gives no log: it is no Lie group" in out
    assert found(environment, tmp_path, "my-own") == ["ok", "my-own"]


def test_the_tests_of_the_other_kinds_pass_and_symdiff_finds_them(tmp_path):
    folders = [new_plugin(f"my-{kind}", tmp_path, kind).folder for kind in ("source", "diagnostic")]
    environment = installed(*folders)
    out = run(environment, tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *map(str, folders))
    assert "4 passed" in out
    assert found(environment, tmp_path, "my-source", "my-diagnostic") == ["ok", "my-source", "ok", "my_diagnostic"]


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_check(tmp_path, kind):
    environment = installed(new_plugin("my-own", tmp_path, kind).folder)
    document = symdiff(environment, tmp_path, "plugins", "check", "my-own")
    assert document["status"] == "passed"
    assert [family["name"] for family in document["families"]] == (["my-own"] if kind == "group" else [])
    [run] = document["analyses"]
    assert run["outcome"] == "passed"
    assert run["group"] == ("my-own" if kind == "group" else "affine")
    assert run["model"] == ("my-own" if kind == "source" else "smooth-images")
    assert ("my_own" in run["diagnostics"]) == (kind == "diagnostic")


@pytest.mark.long
def test_a_written_group_can_be_analysed_with(tmp_path):
    environment = installed(new_plugin("my-own", tmp_path).folder)
    small = ["--steps", "5", "--trajectories", "20", "--train-steps", "5", "--latent", "8", "--out", "run"]
    result = symdiff(environment, tmp_path, "analyze", "gaussian", "--group", "my-own", *small)
    assert (result["schema"], result["group"]) == ("symdiff.result/1", "my-own")
    assert (tmp_path / "run" / "report.html").exists()


def symdiff(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    """The document a command prints."""
    main = "from symdiff.cli import main; main()"
    document: dict[str, Any] = json.loads(run(environment, folder, "-c", main, *arguments, "--json"))
    return document


def found(environment: dict[str, str], folder: Path, *names: str) -> list[str]:
    """Of each plugin, its status and what it brings, as a process in that environment sees them."""
    code = (
        "import sys; from symdiff.plugins import load_plugins\n"
        "for p in map(load_plugins().plugin, sys.argv[1:]):\n"
        "    print(p.status.status, *p.status.families, *p.sources, *p.diagnostics)"
    )
    return run({**environment, "SYMDIFF_LOAD_PLUGINS": ",".join(names)}, folder, "-c", code, *names).split()


def test_the_family_is_short():
    import symdiff.scaffold

    template = Path(symdiff.scaffold.__file__).parent / "templates" / "group" / "family.py.j2"
    lines = template.read_text(encoding="utf-8").split("element_shape = (2,)")[1].splitlines()
    assert len([line for line in lines if line.strip()]) <= 32


def test_nothing_is_overwritten(tmp_path):
    folder = tmp_path / "symdiff-my-own"
    folder.mkdir()
    new_plugin("my-own", tmp_path)  # an empty folder is nothing to lose
    mine = folder / "symdiff_my_own" / "family.py"
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists and nothing is overwritten"):
        new_plugin("my-own", tmp_path, "source")
    assert mine.read_text(encoding="utf-8") == "mine"
    assert not (folder / "symdiff_my_own" / "model.py").exists()
    (tmp_path / "symdiff-file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        new_plugin("file", tmp_path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MyGroup", "try 'my-group'"),
        ("my_group", "try 'my-group'"),
        ("3d", "try 'd'"),
        ("a--b", "try 'a-b'"),
        ("../up", "try 'up'"),
        ("", "use lower-case letters, digits and '-'"),
        ("-", "use lower-case letters, digits and '-'"),
        ("ends-", "try 'ends'"),
        ("größe", "try 'gr-e'"),
        ("x" * 41, "at most 40"),
        ("symdiff-mine", "symdiff new-plugin mine"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(tmp_path, name, hint):
    with pytest.raises(UsageError, match="a plugin cannot be called") as caught:
        new_plugin(name, tmp_path)
    assert hint in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_installed_plugin_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'affine' is installed already") as caught:
        new_plugin("affine", tmp_path)
    assert "geomstats" in caught.value.hint
