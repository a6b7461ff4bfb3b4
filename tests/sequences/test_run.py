"""``sequences:FILE`` on the command line: analysed like a model, with no process, no recording and no copy."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from symdiff.batch.ray_engine import files_of
from symdiff.config import RunConfig
from symdiff.trajectories import cache_directory
from tests.cli.conftest import symdiff  # noqa: F401
from tests.sequences.turning import observed_turns, write

SMALL = ("--group", "turns", "--train-steps", "80", "-o", "learning_rate=0.03", "--length", "3")


@pytest.fixture
def model(tmp_path: Path) -> str:
    return write(tmp_path / "turns.npz", **observed_turns(sequences=100))


def test_sequences_are_analysed_all_the_way(symdiff, model, tmp_path):  # noqa: F811
    before = sorted(cache_directory().rglob("*"))
    ran = symdiff("analyze", model, *SMALL, "--out", "run", "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert found["model"] == model
    assert (found["config"]["steps"], found["config"]["trajectories"]) == (6, 100)
    assert list(found["process"]) == ["absent"]
    assert set(found["verdict"]["claims"]) == {"law", "decomposition"}
    assert found["diagnostics"]["equivariance_skill"]["value"] > 0.2
    assert {"d_lsbd", "factor_ari", "factor_independence", "matrix_commutator"} <= found["diagnostics"].keys()
    assert sorted(cache_directory().rglob("*")) == before
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "There is no reverse process: the data are observed sequences, and no denoiser made them." in page
    assert "Observed sequences" in page
    assert "from pure noise" not in page
    assert "x̂" not in page
    again = symdiff("analyze", model, *SMALL, "--out", "run", "--json")
    assert again.document == found
    assert "answered from run" in again.err
    rescored = symdiff("analyze", model, *SMALL, "--out", "run", "--rescore", "--json")
    assert rescored.document["diagnostics"] == found["diagnostics"]


def test_an_unknown_law_goes_all_the_way(symdiff, model):  # noqa: F811
    ran = symdiff("analyze", model, "--group", "lawless", "--train-steps", "20", "--json")
    assert ran.code == 0, ran.err
    assert "group law of these actions is not known" in ran.document["diagnostics"]["identity_error"]["caution"]
    assert "group law is not known" in ran.document["decomposition"]["noise_source"]


def test_a_dry_run_checks_the_file_and_does_nothing(symdiff, model, tmp_path):  # noqa: F811
    ran = symdiff("analyze", model, *SMALL, "--dry-run", "--json")
    [run] = ran.document["runs"]
    assert run["state"] == "new"
    assert len(run["config"]["model_digest"]) == 64
    assert not Path("runs").exists()
    bad = write(tmp_path / "bad.npz", actions=np.zeros((40, 6, 2)))
    ran = symdiff("analyze", bad, *SMALL, "--dry-run")
    assert ran.code == 2
    assert "every action" in ran.err


def test_another_file_of_the_same_name_is_another_run(symdiff, model, tmp_path):  # noqa: F811
    def run_id() -> str:
        return str(symdiff("analyze", model, *SMALL, "--dry-run", "--json").document["runs"][0]["run_id"])

    first = run_id()
    write(tmp_path / "turns.npz", **observed_turns(sequences=100, seed=1))
    assert run_id() != first


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("analyze", "{}", "--group", "affine"), "sequences", "actions of group 'affine' are the reverse steps"),
        (("analyze", "{}", "--group", "geomstats"), "sequences", "actions of group 'geomstats' are the reverse steps"),
        (("analyze", "gaussian", "--group", "turns"), "sequences", "'turns' learns from observed sequences"),
        (("analyze", "{}", "--group", "turns", "--length", "7"), "config", "--length is 7, but .* 6 actions"),
        (("analyze", "{}", "--group", "turns", "--data", "x.npz"), "sequences", "held-out images for the bound"),
        (("record", "{}", "--out", "store"), "sequences", "no diffusion model: observed sequences have no reverse"),
        (("process", "{}"), "sequences", "no diffusion model: observed sequences have no reverse"),
        (("analyze", "sequences:absent.npz", "--group", "turns"), "sequences", "absent.npz does not exist"),
    ],
)
def test_what_sequences_cannot_do_is_refused_before_any_work(symdiff, model, command, code, message):  # noqa: F811
    ran = symdiff(*(word.format(model) for word in command), "--json")
    assert ran.code == 2
    error = ran.document
    assert error["code"] == code
    assert error["hint"]
    assert re.search(message, error["message"]), error["message"]
    assert list(Path().iterdir()) == []


@pytest.mark.filterwarnings("default:.*do not change it:UserWarning")
def test_settings_of_a_recording_have_no_effect_and_it_is_said(symdiff, model):  # noqa: F811
    ran = symdiff("analyze", model, "--group", "turns", "--train-steps", "2", "--steps", "9", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert any("100 observed sequences of 6 actions" in warning for warning in ran.document["warnings"])


def test_a_family_that_acts_on_images_takes_observations_as_states(symdiff, tmp_path):  # noqa: F811
    images = np.random.default_rng(0).random((20, 4, 1, 8, 8)).astype(np.float32)
    model = write(tmp_path / "images.npz", observations=images, actions=np.ones((20, 3, 1)), factors=None)
    ran = symdiff(
        "analyze", model, "--group", "escnn", "--latent", "8", "--train-steps", "2", "--length", "2", "--json"
    )
    assert ran.code == 0, ran.err
    found = ran.document
    assert found["verdict"]["claims"]["content"]["evidence"].startswith("there is no reverse process")
    assert found["verdict"]["structured"] == "inconclusive"
    assert any("observed actions are not used" in warning for warning in found["warnings"])
    levels = symdiff("analyze", model, "--group", "escnn", "--latent", "8", "-o", "levels=0.5-1", "--length", "2")
    assert levels.code == 2
    assert "observed sequences have no noise level" in levels.err


STUDY = """
[study]
name = "turns"
[defaults]
model = "{}"
group = "{}"
train_steps = 2
[matrix]
seed = [0, 1]
"""


def test_a_study_runs_over_sequences(symdiff, model, tmp_path):  # noqa: F811
    (tmp_path / "study.toml").write_text(STUDY.format(model, "affine"))
    ran = symdiff("batch", "run", tmp_path / "study.toml", "--dry-run")
    assert ran.code == 2
    assert "line 5: defaults.model: the actions of group 'affine'" in ran.err
    (tmp_path / "study.toml").write_text(STUDY.format("sequences:absent.npz", "turns"))
    assert "absent.npz does not exist" in symdiff("batch", "run", tmp_path / "study.toml", "--dry-run").err
    (tmp_path / "study.toml").write_text(STUDY.format(model, "turns"))
    ran = symdiff("batch", "run", tmp_path / "study.toml", "--dry-run", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.document["runs"]) == 2
    assert not any(Path().iterdir())


def test_another_node_is_given_the_file(model):
    assert files_of(RunConfig(model=model, group="turns")) == (model.removeprefix("sequences:"),)
