"""Nulls: the blind family is fitted as well as it can be, and permuted elements give an honest p-value."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from symdiff.diagnostics.blind import blind_representations, scale_of
from symdiff.diagnostics.equivariance import equivariance_figures
from symdiff.diagnostics.linear_maps import common_linear_map, least_squares
from symdiff.diagnostics.nulls import null_evaluations, null_figures
from symdiff.diagnostics.permutation import permutation_test, permuted_elements
from symdiff.testing import stand_in_device


def errors(toy: Any) -> dict[str, float]:
    evaluations = null_evaluations(toy.evaluation(reference=toy.model()))
    return {name: float(equivariance_figures(null)["equivariance_error"] or 0) for name, null in evaluations.items()}


def test_every_null_is_there_and_each_larger_family_does_at_least_as_well(toy: Any) -> None:
    found = errors(toy)
    assert set(found) == {"identity", "scale", "blind", "common_linear", "haar", "untrained", "pca"}
    assert found["blind"] <= found["scale"] + 1e-12 <= found["identity"] + 2e-12
    assert found["common_linear"] <= found["identity"]
    assert found["pca"] < 1e-20
    assert found["haar"] > found["identity"]


def blind_world(toy: Any, generator: Tensor) -> Any:
    """Sequences on which ``h(g x) = exp(M log a) h(x)`` holds exactly, h reading the first coordinates."""
    sequences, m = toy.sequences, len(generator)
    log_a = sequences.actions[..., 0].log()
    states = [sequences.observations[:, 0].flatten(1)[:, :m]]
    for t in range(sequences.length):
        matrices = torch.linalg.matrix_exp(log_a[:, t, None, None] * generator)
        states.append(torch.einsum("nij,nj->ni", matrices, states[-1]))
    evaluation = toy.evaluation()
    evaluation.__dict__["latents"] = torch.stack(states, dim=1)
    return evaluation


def test_the_blind_fit_finds_the_exponential_that_made_the_data(toy: Any) -> None:
    generator = torch.tensor([[1.0, -3.0, 0], [2.0, 0.5, 0], [0, 0, -1.0]], dtype=torch.float64)
    evaluation = blind_world(toy, generator)
    found = blind_representations(evaluation)["blind"]
    latents = evaluation.latents
    predicted = found.rollout(toy.sequences.actions, latents[:, 0])
    assert float((predicted - latents).square().mean() / latents.square().mean()) < 1e-4


def test_the_scale_fit_finds_the_power_that_made_the_data(toy: Any) -> None:
    evaluation = blind_world(toy, 0.7 * torch.eye(2, dtype=torch.float64))
    found = blind_representations(evaluation)["scale"]
    e = torch.zeros(1, 10, dtype=torch.float64)
    e[0, 0] = math.e
    torch.testing.assert_close(found(e)[0], math.exp(0.7) * torch.eye(2, dtype=torch.float64), rtol=1e-5, atol=1e-8)


def test_the_blind_family_satisfies_the_law_and_sees_only_the_scale(toy: Any) -> None:
    figures = null_figures("blind", null_evaluations(toy.evaluation())["blind"])
    assert figures["homomorphism_error"] == pytest.approx(0, abs=1e-9)
    assert figures["faithfulness"] == pytest.approx(0, abs=1e-9)
    assert (figures["action_energy"] or 0) > 0


def test_the_scale_is_the_coordinate_no_bracket_reaches(toy: Any) -> None:
    scale = scale_of(toy.family, toy.elements)
    assert scale is not None
    torch.testing.assert_close(scale(toy.elements), toy.elements[:, 0].log())


def test_a_group_without_brackets_has_no_blind_family(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(toy.family), "bracket", lambda self, X, Y: torch.zeros_like(X))
    assert scale_of(toy.family, toy.elements) is None
    assert blind_representations(toy.evaluation()) == {}


def test_least_squares_of_deficient_rank_on_another_device_are_those_of_the_cpu() -> None:
    x, y = torch.randn(9, 3, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    x[:, 2] = x[:, 0]
    with stand_in_device() as there:
        found = least_squares(x.to(there.device), y.to(there.device)).cpu()
    torch.testing.assert_close(found, least_squares(x, y))


def test_the_common_linear_map_is_found(toy: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    evaluation, matrix = toy.evaluation(), torch.randn(5, 5, generator=generator, dtype=torch.float64) / 3
    before = torch.randn(120, 5, generator=generator, dtype=torch.float64)
    evaluation.__dict__["latents"] = torch.stack([before, before @ matrix.T], dim=1)
    torch.testing.assert_close(common_linear_map(evaluation), matrix)


def test_p_values_are_uniform_when_the_elements_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.tensor(
        [
            permutation_test(torch.rand(3, 8, 8, generator=generator, dtype=torch.float64), 99, seed=i).p_value
            for i in range(400)
        ],
        dtype=torch.float64,
    )
    assert float(p.min()) >= 0.01
    assert float(p.mean()) == pytest.approx(0.5, abs=0.05)
    assert float((p <= 0.1).double().mean()) == pytest.approx(0.1, abs=0.04)


def test_p_values_are_as_small_as_they_can_be_when_the_elements_decide() -> None:
    table = 1 - torch.eye(8, dtype=torch.float64).expand(3, 8, 8)
    assert permutation_test(table, 99).p_value == 0.01


def test_permuting_elements_hurts_the_exact_form_and_not_a_blind_one(toy: Any) -> None:
    exact = permuted_elements(toy.evaluation())
    assert exact is not None
    assert exact[0].p_value == pytest.approx(1 / 201)
    blind = toy.evaluation(toy.model(lambda g: g[..., :1, None] * torch.eye(toy.m, dtype=g.dtype)))
    tested = permuted_elements(blind)
    assert tested is not None
    assert tested[0].p_value == 1


def test_without_two_steps_at_one_time_nothing_is_permuted(toy: Any) -> None:
    one = toy.family.sequences(toy.trajectories, 10, 1, torch.Generator().manual_seed(0))
    assert permuted_elements(toy.evaluation(sequences=one)) is None
