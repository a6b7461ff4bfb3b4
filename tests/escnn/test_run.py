"""The plugin through its door: a whole run, a run of another family, and escnn not being there."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.entrypoint import load
from symdiff.result import Result
from symdiff_escnn import library, symdiff_diagnostics

SMALL = {"model": "gaussian", "trajectories": 90, "steps": 16, "latent": 8, "train_steps": 20, "length": 2}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """All forms of SO(2) in one run."""
    options = {"group": "SO(2)", "hidden": 16}
    config = RunConfig.model_validate({**SMALL, "group": "escnn", "options": options, "compare_forms": True})
    return analyze(config, tmp_path_factory.mktemp("run") / "run")


def test_the_forms_stand_side_by_side(found: Result) -> None:
    assert list(found.forms) == ["exact", "start", "mlp", "lie", "exact (closed form)", "pca"]
    error = {name: row["homomorphism_error"] for name, row in found.forms.items() if name != "pca"}
    assert error["exact"] == pytest.approx(0, abs=1e-5)
    assert error["exact (closed form)"] == pytest.approx(0, abs=1e-5)
    assert found.config["options"]["group"] == "SO2"


def test_the_law_holds_by_construction_and_says_so(found: Result) -> None:
    law = found.verdict.claims["law"]
    assert law.status == "supported"
    assert "by construction, an untrained encoder is as equivariant" in law.evidence


def test_what_the_process_does_is_asked_of_the_denoiser(found: Result) -> None:
    content = found.verdict.claims["content"]
    assert (content.status, found.verdict.structured) == ("not supported", "not supported")
    assert "smallest skill of the denoiser's equivariance" in content.evidence
    assert found.title == "SO(2)"
    assert found.process["equivariance"]["lie"]["generators"] == 1
    assert found.descriptions["character_norm"].startswith("<chi_rho, chi_rho>: the dimension")


def test_the_diagnostics_of_the_group_are_there_and_the_share_outside_is_told(found: Result) -> None:
    for name in symdiff_diagnostics():
        assert found.diagnostics[name].value is not None
    assert found.decomposition is not None
    assert found.diagnostics["character_norm"].value == pytest.approx(found.decomposition["commutant_dim"], abs=1e-5)
    assert any("is left out of training and diagnostics" in warning for warning in found.warnings)


def test_the_diagnostics_are_not_in_a_run_of_another_family(tmp_path: Path) -> None:
    result = analyze(
        RunConfig.model_validate({**SMALL, "group": "affine", "train_steps": 4, "steps": 5}), tmp_path / "run"
    )
    assert not set(symdiff_diagnostics()) & set(result.diagnostics)
    assert not any("failed" in warning for warning in result.warnings)


def test_without_escnn_the_plugin_is_unavailable_with_the_command_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = library.find_spec
    monkeypatch.setattr(library, "find_spec", lambda name: None if name == "escnn" else find(name))
    status = load(EntryPoint("escnn", "symdiff_escnn", "symdiff")).status
    assert (status.status, status.cause) == ("unavailable", "escnn is not installed")
    assert status.hint == "pip install --no-deps escnn==1.0.11"
