"""Equivariance is measured against the variance of the latents and against standing still."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from symdiff.diagnostics.equivariance import (
    along_sequences,
    crossed,
    equivariance_figures,
    error_estimate,
    followed_dimension,
    skill_estimate,
)
from symdiff.diagnostics.gauge import gauge_of
from symdiff.diagnostics.linear_maps import least_squares_residual


def still(toy: Any) -> Any:
    return toy.evaluation(toy.model(lambda g: torch.eye(toy.m, dtype=g.dtype).expand(*g.shape[:-1], -1, -1)))


def test_the_exact_form_is_equivariant_to_rounding(toy: Any) -> None:
    table, _ = along_sequences(toy.evaluation())
    assert error_estimate(table, toy.evaluation()).value == pytest.approx(0, abs=1e-20)
    assert skill_estimate(table, toy.evaluation()).value == pytest.approx(1)


def test_standing_still_has_skill_zero(toy: Any) -> None:
    evaluation = still(toy)
    estimate = skill_estimate(along_sequences(evaluation)[0], evaluation)
    assert estimate.value == pytest.approx(0, abs=1e-12)
    assert estimate.better == "higher"


def test_followed_directions_are_counted_in_any_basis(toy: Any) -> None:
    assert followed_dimension(toy.evaluation()).value == toy.m
    assert followed_dimension(still(toy)).value == 1  # the constant coordinate, which rests

    def half_still(g: torch.Tensor) -> torch.Tensor:
        matrix = toy.model().representation(g).clone()
        matrix[..., :2, :] = torch.eye(toy.m, dtype=g.dtype)[:2]
        return matrix

    generator = torch.Generator().manual_seed(1)
    change = torch.randn(toy.m, toy.m, dtype=torch.float64, generator=generator) @ torch.diag(
        torch.tensor([1e-3, 1, 1, 1, 10], dtype=torch.float64)
    )
    for basis in (None, change):
        assert followed_dimension(toy.evaluation(toy.model(half_still, basis))).value == toy.m - 2


def test_a_doubled_rho_misses_by_the_size_of_the_latents(toy: Any) -> None:
    """``h(gx) - 2 rho(g) h(x) = -h(gx)``, so the error is the second moment over the variance."""
    evaluation = toy.evaluation(toy.model(lambda g: 2 * toy.model().representation(g)))
    latents = evaluation.latents
    moment = latents[:, 1:].square().sum(-1).mean()
    variance = (latents[:, :-1] - latents.mean((0, 1))).square().sum(-1).mean()
    assert error_estimate(along_sequences(evaluation)[0], evaluation).value == pytest.approx(float(moment / variance))


def test_intervals_hold_the_value_and_the_figures_are_the_estimates(toy: Any) -> None:
    evaluation = still(toy)
    table, whitened = along_sequences(evaluation)
    error, skill = error_estimate(table, evaluation), skill_estimate(table, evaluation)
    assert equivariance_figures(evaluation) == {
        "equivariance_error": pytest.approx(error.value),
        "equivariance_skill": pytest.approx(skill.value),
        "equivariance_skill_whitened": pytest.approx(skill_estimate(whitened, evaluation).value),
    }
    assert error.value is not None
    assert error.interval is not None
    assert error.interval[0] < error.value < error.interval[1]


def test_the_crossed_table_applies_every_element_to_every_observation(toy: Any) -> None:
    table, latents = crossed(toy.evaluation())
    assert table.residual.shape == (20, 32)
    assert float(table.residual.max()) < 1e-20
    assert latents.shape == (20, 33, toy.m)
    moved, _ = crossed(still(toy))
    torch.testing.assert_close(moved.residual, moved.movement)


def test_only_the_whitened_skill_shows_a_small_direction_that_is_not_followed(toy: Any) -> None:
    change = torch.diag(torch.tensor([1, 1, 1e-2, 1e-2, 1], dtype=torch.float64))

    def frozen(g: torch.Tensor) -> torch.Tensor:
        matrix = toy.model().representation(g).clone()
        matrix[..., 2:4, :] = torch.eye(toy.m, dtype=g.dtype)[2:4]
        return matrix

    own, whitened = along_sequences(toy.evaluation(toy.model(frozen, change)))
    evaluation = toy.evaluation()
    assert (skill_estimate(own, evaluation).value or 0) > 0.99
    # Two of four moving directions stand still.
    assert skill_estimate(whitened, evaluation).value == pytest.approx(0.5, abs=0.15)


def test_an_encoder_that_never_moves_has_no_skill(toy: Any) -> None:
    model = toy.model()
    model.encoder.rows = torch.zeros_like(model.encoder.rows)
    evaluation = toy.evaluation(model)
    estimate = skill_estimate(along_sequences(evaluation)[0], evaluation)
    assert estimate.value is None
    assert "nothing to be equivariant about" in str(estimate.caution)


def test_the_best_map_of_each_element_finds_a_linear_action_and_is_not_fooled_by_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    maps = torch.randn(5, 4, 4, generator=generator, dtype=torch.float64)
    after = torch.einsum("gij,xj->xgi", maps, before)
    noise = torch.randn(60, 5, 4, generator=generator, dtype=torch.float64)
    gauge = gauge_of(before)
    exact = least_squares_residual(torch.cat([before[:, None], after], dim=1), gauge)
    assert float(exact.max()) < 1e-20
    random = least_squares_residual(torch.cat([before[:, None], noise], dim=1), gauge)
    # Left out, pure noise of 4 coordinates cannot be predicted better than its own size.
    assert float(random.mean()) > 4
