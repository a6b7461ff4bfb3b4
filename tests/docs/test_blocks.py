"""The code that a page shows runs; what it does not run here, another test named beside it does."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from pages import BLOCKS, ROOT

from symdiff import load_result
from symdiff.cli.running import run

PYTHON = [block for block in BLOCKS if block.language == "python"]


QUICK = ROOT / "docs" / "quickstart.md"

# Settings that a page leaves at their defaults; what it types wins over them.
MINIATURE = {"STEPS": "10", "TRAJECTORIES": "60", "LATENT": "4", "TRAIN_STEPS": "5", "SAMPLER": "ddim"}


def pages_with(*marks: str) -> list[Path]:
    return sorted({block.page for block in BLOCKS if block.mark in marks})


def execute(page: Path, marks: tuple[str, ...]) -> None:
    """Run the blocks of a page, in order, in one folder and one namespace."""
    names: dict[str, object] = {"__name__": "page"}
    for block in BLOCKS:
        if block.page != page or block.mark not in marks:
            continue
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)
        for command in block.commands():
            assert run(shlex.split(command)[1:]) == 0, f"{block}: {command}"


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_on_a_page_is_python_and_says_who_runs_it(block):
    compile(block.text, str(block), "exec")
    assert block.mark
    if block.mark.startswith("executed by "):
        test = (ROOT / block.mark.removeprefix("executed by ")).read_text(encoding="utf-8")
        assert block.page.name in test


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=str)
def test_a_console_session_is_run_by_a_test(block):
    assert block.mark in ("executed", "long")


@pytest.mark.parametrize("page", pages_with("executed"), ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_in_order_in_miniature(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in MINIATURE.items():
        monkeypatch.setenv(f"SYMDIFF_{name}", value)
    execute(page, ("executed",))


@pytest.mark.long
@pytest.mark.parametrize("page", [p for p in pages_with("executed", "long") if p != QUICK], ids=lambda page: page.name)
def test_all_blocks_of_a_page_run_in_order_as_they_are_typed(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute(page, ("executed", "long"))


@pytest.mark.long
def test_the_quick_start_finds_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute(QUICK, ("executed", "long"))
    assert load_result("first").verdict.structured == "supported"
    assert load_result("second").verdict.structured == "not supported"
