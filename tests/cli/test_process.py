"""`symdiff process`: one document, one page, and errors before any work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from symdiff.diffusion import DDIM, load_denoiser
from symdiff.trajectories import read_store, write_store
from symdiff.trajectories.cache import record_store

SMALL = ("process", "gaussian", "--trajectories", "40", "--steps", "4")


@pytest.fixture
def ran(symdiff):
    return symdiff(*SMALL, "--sampler", "ddim", "--out", "here", "--json")


def test_the_document_says_what_was_described_and_holds_every_part(ran):
    assert (ran.code, ran.document["schema"], ran.document["model"]) == (0, "symdiff.process/1", "gaussian")
    recording = ran.document["recording"]
    assert (recording["steps"], recording["trajectories"], recording["sampler"]["name"]) == (4, 40, "ddim")
    assert (recording["fitted_on"], recording["judged_on"]) == (28, 8)
    assert {"shared_affine_r2", "composed", "elbo", "group", "linear_part", "words"} <= ran.document["process"].keys()
    assert {"record", "affine", "group", "elbo", "linear_part"} == ran.document["timing"].keys()


def test_document_and_page_are_written_where_asked(ran):
    assert json.loads(Path("here/process.json").read_text()) == ran.document
    page = Path("here/process.html").read_text()
    assert "The reverse process of gaussian" in page
    assert "http" not in page.replace("http-equiv", "")
    assert sorted(path.name for path in Path("here").iterdir()) == ["process.html", "process.json"]


def test_people_read_what_was_found_sentence_by_sentence(symdiff):
    out = symdiff(*SMALL).out
    assert out.startswith("gaussian: 40 trajectories of 4 steps, maps fitted on 28 and judged on 8\n")
    assert "- In gauge v the scalars of the run multiply to" in out
    assert not Path("here").exists()
    assert list(Path().iterdir()) == []


def test_a_recorded_directory_is_described_with_its_model_if_that_is_at_hand(symdiff):
    symdiff("record", "gaussian", "--trajectories", "30", "--steps", "4", "--out", "store")
    found = symdiff("process", "store", "--json").document
    assert found["recording"]["model"] == "gaussian"
    assert found["process"]["elbo"]["images"] > 0
    stranger = read_store("store")
    stranger.info["model_digest"] = "0" * 64
    write_store("stranger", stranger)
    found = symdiff("process", "stranger", "--json").document
    assert "is not the one that was recorded" in found["process"]["elbo"]["absent"]
    assert found["process"]["linear_part"] is None
    assert found["process"]["composed"]


def test_the_help_shows_the_shape_of_images_and_all_embedded_models(symdiff):
    shown = " ".join(symdiff("process", "--help").out.replace("│", " ").split())
    assert "n x C x H x W from -1 to 1" in shown
    assert "mnist" in shown


def test_an_unfinished_recording_is_refused_with_the_command_that_finishes_it(symdiff):
    def copy(done: int, of: int) -> None:  # what a kill leaves
        shutil.copytree("store", "killed", dirs_exist_ok=True)

    record_store("store", load_denoiser("gaussian"), DDIM(), 4, 12, command="the command", on_progress=copy)
    for command in ("process", "analyze"):
        ran = symdiff(command, "killed", "--json")
        assert (ran.code, ran.document["code"]) == (2, "store"), command
        assert "a recording that is not finished" in ran.document["message"]
        assert ran.document["hint"] == "to finish it: the command"


@pytest.mark.filterwarnings("default:.*do not change it:UserWarning")
def test_settings_that_do_not_change_a_recorded_directory_are_named(symdiff):
    symdiff("record", "gaussian", "--trajectories", "30", "--steps", "4", "--out", "store")
    assert symdiff("process", "store", "--steps", "4", "--json").document["warnings"] == []
    for flag in (("--steps", "5"), ("--sampler", "ddim"), ("--label", "1")):
        warned = symdiff("process", "store", *flag, "--json").document["warnings"]
        assert any("do not change it" in warning for warning in warned), flag


def test_images_of_the_users_are_used_and_wrong_ones_refused_before_any_work(symdiff):
    np.save("images.npy", np.zeros((20, 1, 8, 8)))
    found = symdiff(*SMALL, "--data", "images.npy", "--json").document
    assert found["process"]["elbo"]["origin"].startswith("20 images from images.npy")
    np.save("wrong.npy", np.zeros((20, 3, 8, 8)))
    ran = symdiff(*SMALL, "--data", "wrong.npy", "--json")
    assert (ran.code, ran.document["code"]) == (2, "data")
    assert "(3, 8, 8)" in ran.document["message"]
    for command in ("process", "analyze"):
        ran = symdiff(command, "gaussian", "--data", "missing.npy", "--json")
        assert (ran.code, ran.document["code"]) == (2, "data"), command
        assert "missing.npy" in ran.document["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("process", "gaussain"), "model"),
        (("process", "gaussian", "--sampler", "dpm"), "config"),
        (("process", "gaussian", "--steps", "0"), "config"),
        (("process", "gaussian", "--device", "cuda:9"), "device"),
        (("process", "gaussian", "--out", "file"), "output"),
    ],
)
def test_what_cannot_be_done_is_refused(symdiff, arguments, code):
    Path("file").write_text("")
    ran = symdiff(*arguments, "--json")
    assert (ran.code, ran.document["schema"], ran.document["code"]) == (2, "symdiff.error/1", code)
