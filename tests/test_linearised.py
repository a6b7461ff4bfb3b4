"""A run without an autoencoder: from a model to a page that says how its own steps decompose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.errors import ConfigError
from symdiff.result import Result
from symdiff.trajectories import read_store, write_store

MODEL = """
import torch
from symdiff.diffusion.denoisers import GaussianDenoiser

def make():
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(9, 9, generator=generator, dtype=torch.float64)).Q
    variances = torch.logspace(-1, 0.5, 9, dtype=torch.float64)
    return GaussianDenoiser(torch.zeros(1, 3, 3, dtype=torch.float64), axes * variances @ axes.T)
"""


def config(model: Path, **options: object) -> RunConfig:
    chosen = {"linear": "jacobian", "levels": 4, "states": 3, **options}
    return RunConfig(model=f"{model}:make", steps=8, trajectories=60, device="cpu", options=chosen)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "nine.py"
    file.write_text(MODEL)
    return file


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("run") / "run"
    return analyze(config(model), out), out


def test_the_steps_of_gaussian_data_are_found_to_be_lines(run: tuple[Result, Path]) -> None:
    result, _ = run
    assert result.decomposition is not None
    assert [(block["dim"], block["multiplicity"]) for block in result.decomposition["blocks"]] == [(1, 1)] * 9
    assert result.verdict.claims["decomposition"].status == "supported"


def test_what_was_not_learned_is_not_claimed(run: tuple[Result, Path]) -> None:
    result, out = run
    assert result.verdict.claims["law"].status == "inconclusive"
    assert "no autoencoder" in result.verdict.claims["law"].evidence
    assert "homomorphism_error" not in result.diagnostics
    assert result.forms == {}
    assert not (out / "hae.safetensors").exists()


def test_the_page_says_what_was_done_and_leaves_out_what_was_not(run: tuple[Result, Path]) -> None:
    page = (run[1] / "report.html").read_text()
    assert "The steps themselves were linearised and decomposed" in page
    assert "The set of linear parts A_t(x) is decomposable: 9 blocks of dimension 1" in page
    assert "What training earned" not in page
    assert "The trained model" not in page


def test_the_same_run_is_answered_from_its_directory(run: tuple[Result, Path], model: Path) -> None:
    again = analyze(config(model), run[1])
    assert json.loads(again.to_json()) == json.loads(run[0].to_json())


def test_the_mean_state_of_every_step_can_stand_in_for_its_states(model: Path, tmp_path: Path) -> None:
    result = analyze(config(model, at="mean"), tmp_path / "run")
    assert result.decomposition is not None
    assert result.decomposition["count"] == 4


def test_a_recording_without_its_model_is_refused(model: Path, tmp_path: Path) -> None:
    from symdiff.diffusion import DDPM, load_denoiser
    from symdiff.trajectories import record

    recording = record(load_denoiser("gaussian"), DDPM(), 8, 20, device="cpu")
    recording.info["model"] = "elsewhere"
    write_store(tmp_path / "store", recording)
    assert read_store(tmp_path / "store").info["model"] == "elsewhere"
    asked = RunConfig(model=str(tmp_path / "store"), steps=8, trajectories=20, options={"linear": "jacobian"})
    with pytest.raises(ConfigError, match="needs the model of"):
        analyze(asked, tmp_path / "run")
