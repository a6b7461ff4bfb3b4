"""Prediction and reconstruction are shares of variance over the right terms, and grow as they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from symdiff.diagnostics.horizons import horizon_curves, long_sequences, rollout_stability, word_length_curve
from symdiff.diagnostics.prediction import prediction_errors, prediction_figures, rollouts
from symdiff.trajectories import Trajectories


def still(toy: Any) -> Any:
    return toy.evaluation(toy.model(lambda g: torch.eye(toy.m, dtype=g.dtype).expand(*g.shape[:-1], -1, -1)))


def found(evaluation: Any) -> Any:
    return rollouts(evaluation, evaluation.sequences, evaluation.latents)


def test_the_exact_form_predicts_to_rounding_and_reconstructs_as_its_components(toy: Any) -> None:
    evaluation = toy.evaluation()
    estimates = prediction_errors(evaluation, found(evaluation))
    for name in ("prediction_error", "prediction_error_n10", "prediction_error_whitened"):
        assert estimates[name].value == pytest.approx(0, abs=1e-20)
    x = toy.sequences.observations[:, :4].flatten(2)
    outside = (x - toy.mean) - (x - toy.mean) @ toy.rows.T @ toy.rows
    expected = outside.square().sum() / (x - toy.sequences.observations.flatten(2).mean((0, 1))).square().sum()
    assert estimates["reconstruction_error"].value == pytest.approx(float(expected))


@pytest.mark.parametrize(("suffix", "length"), [("", 3), ("_n10", 10)])
def test_prediction_leaves_out_the_first_observation_and_the_variance_does_not(
    toy: Any, suffix: str, length: int
) -> None:
    evaluation = still(toy)
    z = evaluation.latents
    missed = (z[:, 1 : length + 1] - z[:, :1]).square().sum(-1).mean()
    variance = (z[:, : length + 1] - z.mean((0, 1))).square().sum(-1).mean()
    estimates = prediction_errors(evaluation, found(evaluation))
    assert estimates[f"prediction_error{suffix}"].value == pytest.approx(float(missed / variance))
    assert estimates[f"prediction_error{suffix}"].n == len(torch.unique(toy.sequences.trajectory))


def test_figures_without_intervals_are_the_estimates(toy: Any) -> None:
    evaluation = still(toy)
    estimates = prediction_errors(evaluation, found(evaluation))
    for name, value in prediction_figures(found(evaluation)).items():
        assert estimates[name].value == pytest.approx(value)


def test_the_whitened_error_shows_a_small_direction_that_is_badly_predicted(toy: Any) -> None:
    change = torch.diag(torch.tensor([1, 1, 1, 1e-2, 1], dtype=torch.float64))

    def frozen(g: torch.Tensor) -> torch.Tensor:
        matrix = toy.model().representation(g).clone()
        matrix[..., 3, :] = torch.eye(toy.m, dtype=g.dtype)[3]
        return matrix

    evaluation = toy.evaluation(toy.model(frozen, change))
    estimates = prediction_errors(evaluation, found(evaluation))
    assert (estimates["prediction_error"].value or 0) < 1e-3
    assert (estimates["prediction_error_whitened"].value or 0) > 0.05


def test_sequences_too_short_for_ten_steps_say_so(toy: Any) -> None:
    short = toy.family.sequences(toy.trajectories, 4, 50, torch.Generator().manual_seed(0))
    evaluation = toy.evaluation(sequences=short)
    estimates = prediction_errors(evaluation, found(evaluation))
    assert estimates["prediction_error"].value is not None
    assert estimates["prediction_error_n10"].value is None
    assert "only 4 actions" in str(estimates["prediction_error_n10"].caution)


def test_horizons_double_as_far_as_the_recording_goes(toy: Any) -> None:
    sequences = long_sequences(toy.evaluation())
    assert sequences is not None
    assert sequences.length == 32
    curves = horizon_curves(still(toy), sequences)
    assert curves["horizon"].tolist() == [1, 2, 4, 8, 16, 32]
    assert np.all(np.diff(curves["horizon_prediction_error"][:4]) > 0)
    assert np.all(horizon_curves(toy.evaluation(), sequences)["horizon_prediction_error"] < 1e-20)


def test_a_recording_with_too_few_usable_steps_gets_shorter_horizons(toy: Any) -> None:
    gauges = {"v": toy.trajectories.gauges["v"].clone()}
    gauges["v"][20] = 0
    broken = Trajectories(**{**vars(toy.trajectories), "gauges": gauges})
    sequences = long_sequences(toy.evaluation(trajectories=broken))
    assert sequences is not None
    assert sequences.length == 16


def test_rollouts_that_explode_carry_a_caution_and_those_that_add_up_do_not(toy: Any) -> None:
    sequences = long_sequences(toy.evaluation())
    assert sequences is not None

    def stability(size: float) -> Any:
        evaluation = toy.evaluation(toy.model(lambda g: size * toy.model().representation(g)))
        return rollout_stability(horizon_curves(evaluation, sequences), sequences, np.array([size]))

    assert "unstable" in str(stability(1.5).caution)
    assert stability(1.0).caution is None
    assert stability(1.0).value < 1e-20


def test_the_error_of_words_is_zero_for_the_exact_form_and_grows_for_a_bent_one(toy: Any) -> None:
    evaluation = toy.evaluation()
    sequences = long_sequences(evaluation)
    assert sequences is not None
    exact = word_length_curve(evaluation, sequences)
    assert exact["word_length"].tolist() == [2, 4, 8, 16, 32]
    assert np.all(exact["word_length_error"] < 1e-13)

    def bent(g: torch.Tensor) -> torch.Tensor:
        matrix = toy.model().representation(g).clone()
        matrix[..., :-1, -1] += 0.1 * matrix[..., :-1, -1] ** 2
        return matrix

    curve = word_length_curve(toy.evaluation(toy.model(bent)), sequences)
    assert np.all(curve["word_length_low"] <= curve["word_length_error"])
    assert np.all(curve["word_length_error"] <= curve["word_length_high"])
    assert curve["word_length_error"].min() > 1e-3
