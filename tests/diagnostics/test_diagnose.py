"""The whole diagnosis: complete, reproducible, serialisable, and the same whatever a null does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symdiff.diagnostics import diagnose, verdict
from symdiff.diagnostics.energy import energy_figure
from symdiff.process import shared_affine_r2

ESTIMATES = {
    "homomorphism_error", "homomorphism_error_own_basis", "homomorphism_error_weighted",
    "homomorphism_error_consecutive", "identity_error", "inverse_error", "spectrum_error", "action_energy",
    "action_energy_own_basis", "faithfulness", "effective_rank", "latent_spread", "reconstruction_gap",
    "equivariance_error", "equivariance_error_crossed", "equivariance_skill", "equivariance_skill_whitened",
    "prediction_error",
    "prediction_error_n10", "reconstruction_error", "reconstruction_error_n10", "prediction_error_whitened",
    "prediction_error_whitened_n10", "followed_dimension",
    "support_dimension", "support_condition", "support_leakage", "rollout_stability",
}  # fmt: skip
CURVES = {
    "horizon", "horizon_prediction_error", "horizon_reconstruction_error", "word_length", "word_length_error",
    "word_length_low", "word_length_high", "eigenvalue_moduli", "latent_singular_values", "prediction_curve",
    "reconstruction_curve",
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluation(toy: Any) -> Any:
    reference = toy.model()
    return toy.evaluation(reference=reference, reference_energy=energy_figure(toy.evaluation()))


@pytest.fixture(scope="module")
def diagnosis(evaluation: Any) -> Any:
    return diagnose(evaluation)


def test_every_estimate_and_curve_is_there(diagnosis: Any) -> None:
    assert set(diagnosis.estimates) == ESTIMATES
    assert set(diagnosis.curves) == CURVES
    assert all(np.isfinite(curve).all() for curve in diagnosis.curves.values())


def test_no_figure_of_the_law_stands_without_its_nulls(diagnosis: Any) -> None:
    for name in ("homomorphism_error", "action_energy", "faithfulness"):
        assert {"identity", "scale", "blind", "untrained", "pca"} <= set(diagnosis.estimates[name].null)
    for name in ("equivariance_skill", "prediction_error", "equivariance_error"):
        assert {"identity", "scale", "blind", "common_linear", "haar", "untrained"} <= set(
            diagnosis.estimates[name].null
        )
    assert diagnosis.estimates["equivariance_skill"].null["permuted_p"] <= 0.05
    assert diagnosis.estimates["reconstruction_error"].null["pca"] > 0
    assert diagnosis.estimates["homomorphism_error"].null["haar"] == pytest.approx(1, abs=0.05)


def test_the_exact_linear_form_on_gaussian_data_is_structured(diagnosis: Any, recording: Any) -> None:
    process = shared_affine_r2(recording.select(slice(60, 300)), recording.select(slice(0, 60)))
    found = verdict(diagnosis.estimates, process)
    assert found.structured == "supported", found.reason


def test_the_same_evaluation_gives_the_same_diagnosis(evaluation: Any, diagnosis: Any) -> None:
    again = diagnose(evaluation)
    assert again.estimates == diagnosis.estimates
    for name, curve in diagnosis.curves.items():
        np.testing.assert_array_equal(again.curves[name], curve)


def test_every_estimate_can_be_written_and_read_back(diagnosis: Any) -> None:
    for estimate in diagnosis.estimates.values():
        assert type(estimate).model_validate_json(estimate.model_dump_json()) == estimate


def test_without_a_reference_principal_components_are_taken_from_the_data(toy: Any) -> None:
    found = diagnose(toy.evaluation()).estimates
    assert "pca" not in found["homomorphism_error"].null
    assert found["reconstruction_error"].null["pca"] == pytest.approx(found["reconstruction_error"].value, rel=0.2)
