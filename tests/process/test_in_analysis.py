"""`symdiff analyze` describes the process, whatever the group, and judges the model on the images it is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from symdiff.analyze import analyze
from symdiff.config import RunConfig
from symdiff.errors import DataError
from symdiff.plugins import resolve
from symdiff.report.reproduce import command
from symdiff.result import load_result

SMALL = {"model": "gaussian", "trajectories": 60, "steps": 6, "latent": 8, "train_steps": 20, "length": 2}


def config(**changes: object) -> RunConfig:
    return RunConfig.model_validate({**SMALL, **changes})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    file = tmp_path / "images.npy"
    np.save(file, np.random.default_rng(0).integers(0, 17, (30, 1, 8, 8)) / 8 - 1)
    return file


def test_a_run_holds_the_section_and_shows_it(tmp_path: Path, images: Path) -> None:
    result = analyze(config(data=str(images)), tmp_path / "run")
    assert result.timing["process"] > 0
    process = load_result(tmp_path / "run").process
    assert {"composed", "elbo", "group", "linear_part", "words", "shared_scalar_r2_denoised"} <= process.keys()
    assert process["elbo"]["origin"] == "30 images from images.npy (17 grey levels)"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for words in process["words"][:3]:
        assert words in page
    for figure in ("composed", "bound-terms", "shared-affine-denoised"):
        assert f'<figure id="{figure}">' in page
    again = command(result.config, result.model, result.group)
    assert f"--data {images}" in again
    assert "--images" not in again


def test_images_that_do_not_fit_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    np.save(tmp_path / "wrong.npy", np.zeros((5, 3, 8, 8)))
    with pytest.raises(DataError, match=r"shape \(3, 8, 8\)"):
        analyze(config(data=str(tmp_path / "wrong.npy")), tmp_path / "run")
    with pytest.raises(DataError, match=r"missing\.npy"):
        analyze(config(data=str(tmp_path / "missing.npy")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_file_of_the_same_name_is_another_run(images: Path) -> None:
    first = resolve(config(data=str(images)))[0]
    np.save(images, np.zeros((30, 1, 8, 8)))
    assert resolve(config(data=str(images)))[0].run_id != first.run_id
    assert resolve(config())[0].images is None
