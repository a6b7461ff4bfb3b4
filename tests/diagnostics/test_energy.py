"""Action energy and faithfulness expose what a homomorphism error cannot."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from symdiff.diagnostics.energy import action_energy, energy_figure, faithfulness, separations, support_leakage


def identity_rho(toy: Any) -> Any:
    return toy.model(lambda g: torch.eye(toy.m, dtype=g.dtype).expand(*g.shape[:-1], -1, -1))


def scale_rho(toy: Any) -> Any:
    return toy.model(lambda g: g[..., :1, None] ** 0.5 * torch.eye(toy.m, dtype=g.dtype))


def test_rho_that_does_nothing_has_no_energy_and_separates_nothing(toy: Any) -> None:
    evaluation = toy.evaluation(identity_rho(toy), reference_energy=0.17)
    energy = action_energy(evaluation)
    assert energy.value == 0
    assert energy.null["pca"] == 0.17
    assert "identity" in str(energy.caution)
    assert faithfulness(evaluation, separations(evaluation)).value == 0


def test_energy_is_a_mean_square_per_dimension(toy: Any) -> None:
    doubled = toy.evaluation(toy.model(lambda g: 3 * torch.eye(toy.m, dtype=g.dtype).expand(len(g), -1, -1)))
    assert energy_figure(doubled) == pytest.approx(4)


def test_weak_action_beside_the_exact_form_carries_a_caution(toy: Any) -> None:
    reference = energy_figure(toy.evaluation())
    assert action_energy(toy.evaluation(reference_energy=reference)).caution is None
    assert "exact form" in str(action_energy(toy.evaluation(reference_energy=5 * reference)).caution)


def test_rho_that_sees_only_the_scale_is_not_faithful(toy: Any) -> None:
    blind = toy.evaluation(scale_rho(toy))
    estimate = faithfulness(blind, separations(blind))
    assert estimate.value == pytest.approx(0, abs=1e-9)
    assert energy_figure(blind) > 0
    honest = faithfulness(toy.evaluation(), separations(toy.evaluation()))
    assert honest.value is not None
    assert honest.value > 0.05


def test_blindness_is_found_even_where_no_two_elements_share_their_scale(toy: Any) -> None:
    elements = toy.family.sample(20, torch.Generator().manual_seed(0))
    evaluation = toy.evaluation(scale_rho(toy), elements=elements)
    found = separations(evaluation)
    assert float(found.pairs.min()) > 1e-6
    assert found.smallest == pytest.approx(0, abs=1e-9)


def test_nearly_identical_elements_do_not_decide(toy: Any) -> None:
    """Two copies of an element up to rounding would give a ratio of two roundings."""
    elements = torch.cat([toy.elements, toy.elements[:1] * (1 + 1e-13)])
    noisy = torch.Generator().manual_seed(0)

    def rho(g: Tensor) -> Tensor:
        exact = toy.model().representation(g)
        return exact + 1e-12 * torch.randn(exact.shape, dtype=g.dtype, generator=noisy)

    evaluation = toy.evaluation(toy.model(rho), elements=elements)
    estimate = faithfulness(evaluation, separations(evaluation))
    assert "1 pairs of nearly identical" in str(estimate.caution)
    assert estimate.value == pytest.approx(separations(toy.evaluation()).smallest, rel=1e-3)


def test_leakage_is_zero_on_an_invariant_span(toy: Any) -> None:
    assert support_leakage(toy.evaluation()).value == pytest.approx(0, abs=1e-12)
