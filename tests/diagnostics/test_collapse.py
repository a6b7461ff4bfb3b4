"""A collapsed model is found out although every one of its errors is small."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from symdiff.diagnostics import diagnose, verdict
from symdiff.diagnostics.collapse import effective_rank, effective_rank_of, latent_spread, reconstruction_gap
from symdiff.diagnostics.pca import pca_residual


def test_effective_rank_counts_equal_directions() -> None:
    assert effective_rank_of(torch.tensor([2.0, 2.0, 2.0, 0.0], dtype=torch.float64)) == pytest.approx(3)
    assert effective_rank_of(torch.tensor([4.43, 0.001, 0.0007, 0.0005], dtype=torch.float64)) < 1.01
    assert effective_rank_of(torch.zeros(3, dtype=torch.float64)) == 0


def collapsed(toy: Any) -> Any:
    """The exact form with all but the constant coordinate shrunk: latent singular values 4.43 / 0.001 / ..."""
    return toy.model(change=torch.diag(torch.tensor([1e-3, 7e-4, 5e-4, 5e-4, 4.43], dtype=torch.float64)))


def test_a_collapsed_model_has_tiny_errors_and_the_verdict_collapsed(toy: Any) -> None:
    diagnosis = diagnose(toy.evaluation(collapsed(toy)))
    values = diagnosis.estimates
    assert (values["homomorphism_error"].value or 0) < 1e-9
    assert (values["prediction_error"].value or 0) < 1e-9
    r2 = [{"value": 1.0, "interval": [0.999, 1.0], "timestep": 5, "caution": None}]
    found = verdict(values, {"shared_affine_r2_denoised": r2})
    assert found.structured == "collapsed"
    assert found.claims["law"].status == "not supported"
    assert diagnosis.curves["latent_singular_values"][0] == pytest.approx(4.43, rel=0.01)


def test_a_model_that_learned_is_not_collapsed(toy: Any) -> None:
    evaluation = toy.evaluation()
    assert (effective_rank(evaluation).value or 0) > 4
    assert (latent_spread(evaluation).value or 0) > 0.5


def test_a_decoder_that_ignores_its_input_is_no_better_than_a_constant(toy: Any) -> None:
    model = toy.model()
    model.decoder.rows = torch.zeros_like(model.decoder.rows)
    gap = reconstruction_gap(toy.evaluation(model))
    assert gap.value is not None
    assert gap.value < 0.02
    r2 = [{"value": 1.0, "interval": [0.999, 1.0], "timestep": 5, "caution": None}]
    assert verdict(diagnose(toy.evaluation(model)).estimates, {"shared_affine_r2_denoised": r2}).structured == (
        "collapsed"
    )


def test_the_gap_of_the_linear_model_is_that_of_its_principal_components(toy: Any) -> None:
    sequences = toy.sequences
    components = pca_residual(sequences.observations, sequences.trajectory, toy.m - 1)
    gap = reconstruction_gap(toy.evaluation())
    assert components is not None
    assert gap.value == pytest.approx(1 - components, abs=0.08)


def test_all_components_leave_nothing_and_none_leave_everything(toy: Any) -> None:
    x, trajectory = toy.sequences.observations, toy.sequences.trajectory
    assert pca_residual(x, trajectory, 9) == pytest.approx(0, abs=1e-12)
    assert pca_residual(x, trajectory, 0) == pytest.approx(1, abs=0.05)


def test_more_pixels_than_observations_make_no_difference_to_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(12, 2, 3, generator=generator, dtype=torch.float64)
    x = (low @ torch.randn(3, 400, generator=generator, dtype=torch.float64)).reshape(12, 2, 1, 20, 20)
    assert pca_residual(x, torch.arange(12), 3) == pytest.approx(0, abs=1e-12)
    assert (pca_residual(x, torch.arange(12), 1) or 0) > 0.05
