"""A run with a group that acts on images asks the model itself, and its report shows what it answered."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.report import equivariance_section
from symdiff.report.figures import process_figures
from symdiff.result import Result, load_result
from tests.process.acting import Turns

FIGURES = {"equivariance-error", "equivariance-skill", "isotypic-spectrum"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole of it with quarter turns, which no plugin has to be installed for."""
    out = tmp_path_factory.mktemp("symmetry") / "run"
    settings = {"model": "mixture", "group": "C4", "trajectories": 40, "steps": 8, "latent": 4, "train_steps": 10}
    importlib.import_module("symdiff.analyze")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["symdiff.analyze"], "resolve", lambda config: (config, Turns, Turns.Options()))
        analyze(RunConfig.model_validate(settings), out)
    return out


@pytest.fixture(scope="module")
def result(run: Path) -> Result:
    return load_result(run)


def test_the_claim_on_content_is_about_the_denoiser(result: Result) -> None:
    claim = result.verdict.claims["content"]
    assert claim.status == "not supported"
    assert "smallest skill of the denoiser's equivariance" in claim.evidence
    assert result.verdict.thresholds["equivariance_refuted"] == 0.9
    assert result.timing["equivariance"] > 0
    assert json.dumps(result.process["equivariance"], allow_nan=False)


def test_the_page_shows_words_figures_and_tables(run: Path, result: Result) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="symmetry">' in page
    for words in result.process["equivariance"]["words"][:4]:
        assert words in page
    for figure in FIGURES:
        assert page.count(f'<figure id="{figure}">') == 1
    for label in ("Equivariance by level", "Equivariance by element", "Isotypic spectrum", "Averaged over the group"):
        assert f'aria-label="{label}"' in page
    assert "at some noise levels the denoiser does not commute with the action of the group" in page


def test_colours_of_the_figures_follow_the_page(result: Result) -> None:
    plates = process_figures(result.process)
    assert plates.keys() >= FIGURES
    for name in FIGURES:
        assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", plates[name].svg)
        assert plates[name].alt


def test_cautions_name_the_levels_they_are_about(result: Result) -> None:
    process: dict[str, Any] = json.loads(json.dumps(result.process))
    process["equivariance"]["levels"][2]["caution"] = "few elements; doubtful"
    section = equivariance_section.section(process)
    assert section is not None
    t = process["equivariance"]["levels"][2]["timestep"]
    assert f"at t = {t}: doubtful" in section.cautions


def test_a_process_without_it_has_no_section(result: Result) -> None:
    without = {key: value for key, value in result.process.items() if key != "equivariance"}
    assert equivariance_section.section(without) is None
    assert not FIGURES & process_figures(without).keys()
    absent = {"equivariance": {**result.process["equivariance"], "absent": "lost", "levels": [], "elements": []}}
    section = equivariance_section.section(absent)
    assert section is not None
    assert section.tables[0].label == "Isotypic spectrum"
