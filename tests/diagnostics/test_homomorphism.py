"""The homomorphism error has known answers: rounding, 1, 0/0, the size of a known noise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from symdiff.diagnostics.gauge import gauge_of
from symdiff.diagnostics.group_laws import identity_error, inverse_error, spectrum_error
from symdiff.diagnostics.homomorphism import homomorphism_errors, homomorphism_estimate, pair_tables
from symdiff.diagnostics.linear_maps import HaarRepresentation

NAMES = ("", "_own_basis", "_weighted", "_consecutive")


def test_the_exact_form_has_only_rounding(toy: Any) -> None:
    estimates = homomorphism_errors(toy.evaluation())
    for name in NAMES:
        assert estimates[f"homomorphism_error{name}"].value == pytest.approx(0, abs=1e-13)


def test_a_haar_random_rho_has_error_one(toy: Any) -> None:
    evaluation = toy.evaluation()
    random = evaluation.with_representation(HaarRepresentation(toy.family, evaluation.gauge, seed=3))
    assert homomorphism_errors(random)["homomorphism_error"].value == pytest.approx(1, abs=0.03)


def test_rho_that_does_nothing_has_error_zero_and_says_why(toy: Any) -> None:
    still = toy.model(lambda g: torch.eye(toy.m, dtype=g.dtype).expand(*g.shape[:-1], -1, -1))
    for estimate in homomorphism_errors(toy.evaluation(still)).values():
        assert estimate.value == 0
        assert "0/0" in str(estimate.caution)


def test_noise_of_known_size_gives_the_error_it_should(toy: Any, given: Any) -> None:
    """Rotations plus noise of variance s^2: three independent noises, one of each factor and of the product."""
    m, s, generator = 6, 1e-3, torch.Generator().manual_seed(0)
    skew = torch.randn(m, m, dtype=torch.float64, generator=generator)
    skew = skew - skew.T

    def noisy(g: Tensor) -> Tensor:
        rotation = torch.linalg.matrix_exp(g[..., 0].log()[..., None, None] * skew)
        return rotation + s * torch.randn(rotation.shape, dtype=g.dtype, generator=generator)

    gauge = gauge_of(torch.eye(m, dtype=torch.float64).repeat(4, 1) * math.sqrt(m))
    table = pair_tables(toy.family, given(m, noisy), toy.elements, gauge, ("whitened",))["whitened"]
    off = ~torch.eye(len(toy.elements), dtype=torch.bool)
    expected = math.sqrt(3 * s**2 * m**2 / float(table.action[off].mean()))
    estimate = homomorphism_estimate(table)
    assert estimate.value == pytest.approx(expected, rel=0.05)


def bent(toy: Any, size: float) -> Any:
    """The exact form with a translation part that is not linear: a defect in the translations only."""
    exact = toy.model().representation

    def matrix(g: Tensor) -> Tensor:
        changed = exact(g).clone()
        changed[..., 0, -1] += size * torch.sin(3 * changed[..., 0, -1])
        return changed

    return matrix


def test_a_defect_of_the_translations_is_invisible_to_the_spectrum_but_not_to_the_error(toy: Any) -> None:
    evaluation = toy.evaluation(toy.model(bent(toy, 0.3)))
    spectrum = spectrum_error(evaluation)
    assert spectrum.value == pytest.approx(0, abs=1e-6)
    assert "necessary" in str(spectrum.caution)
    estimate = homomorphism_errors(evaluation)["homomorphism_error"]
    assert estimate.value is not None
    assert estimate.interval is not None
    assert estimate.value > 0.1
    assert estimate.interval[0] < estimate.value < estimate.interval[1]


def test_a_defect_of_the_scale_is_seen_by_the_spectrum(toy: Any) -> None:
    evaluation = toy.evaluation(toy.model(lambda g: toy.model().representation(g) * (1 + g[..., :1, None])))
    assert spectrum_error(evaluation).value == pytest.approx(1, rel=0.2)


def test_the_whitened_error_does_not_change_with_the_basis_and_the_own_basis_error_does(toy: Any) -> None:
    change = torch.diag(torch.tensor([0.01, 1, 1, 1, 0.1], dtype=torch.float64))
    change[0, 3] = 7
    before = homomorphism_errors(toy.evaluation(toy.model(bent(toy, 0.3))))
    after = homomorphism_errors(toy.evaluation(toy.model(bent(toy, 0.3), change)))
    assert after["homomorphism_error"].value == pytest.approx(before["homomorphism_error"].value, rel=1e-6)
    assert after["homomorphism_error_own_basis"].value != pytest.approx(
        before["homomorphism_error_own_basis"].value, rel=0.05
    )


def test_consecutive_pairs_are_neighbours_in_time_and_trajectories_are_their_units(toy: Any) -> None:
    short = replace(
        toy.sequences,
        observations=toy.sequences.observations[:, :2],
        actions=toy.sequences.actions[:, :1],
        times=toy.sequences.times[:, :2],
    )
    evaluation = toy.evaluation(toy.model(bent(toy, 0.3)), sequences=short)
    assert homomorphism_errors(evaluation)["homomorphism_error_consecutive"].value is None
    model = toy.model(bent(toy, 0.3))
    found = homomorphism_errors(toy.evaluation(model))["homomorphism_error_consecutive"]
    g, gauge, rho = toy.sequences.actions[:256], toy.evaluation(model).gauge, model.representation
    product = rho(g[:, 1]) @ rho(g[:, 0])
    defect = gauge.energy(rho(toy.family.compose(g[:, 1], g[:, 0])) - product).sum()
    expected = (defect / gauge.energy(product - torch.eye(toy.m, dtype=product.dtype)).sum()).sqrt()
    assert found.value == pytest.approx(float(expected))
    assert found.n == len(torch.unique(toy.sequences.trajectory[:256]))


def test_identity_and_inverse_are_exact_for_the_exact_form_and_measured_otherwise(toy: Any) -> None:
    assert identity_error(toy.evaluation()).value == pytest.approx(0, abs=1e-12)
    assert inverse_error(toy.evaluation()).value == pytest.approx(0, abs=1e-12)
    doubled = toy.evaluation(toy.model(lambda g: 2 * toy.model().representation(g)))
    assert identity_error(doubled).value == pytest.approx(1)  # |2I - I| / sqrt(dim)
    assert inverse_error(doubled).value == pytest.approx(3)  # |4I - I| / sqrt(dim)


def test_an_element_outside_the_group_has_no_inverse_and_the_estimate_says_so(toy: Any) -> None:
    singular = toy.elements.clone()
    singular[0, 0] = 0
    estimate = inverse_error(toy.evaluation(elements=singular))
    assert estimate.value is None
    assert "inverse" in str(estimate.caution)
