"""Each condition of the structural guarantee passes, fails or is unknown on evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from symdiff.diagnostics import guarantees
from symdiff.diagnostics.homomorphism import homomorphism_errors


def rows(evaluation: Any, **settings: Any) -> dict[str, tuple[str, str]]:
    found = guarantees(evaluation, homomorphism_errors(evaluation), **settings)
    return {row.condition: (row.status, row.evidence) for row in found}


def test_the_exact_form_meets_every_condition_but_an_injective_encoder(toy: Any) -> None:
    found = rows(toy.evaluation())
    assert {name for name, (status, _) in found.items() if status == "fail"} == {"h injective on the data"}
    assert "m = 5 < d = 9" in found["h injective on the data"][1]
    assert found["training at its floor"][0] == "unknown"


def test_with_a_coordinate_for_every_pixel_the_encoder_is_injective(toy: Any) -> None:
    whole = replace(toy, rows=torch.eye(9, dtype=torch.float64))
    found = rows(whole.evaluation())
    assert found["h injective on the data"][0] == "pass"
    assert "rank 9 of 9" in found["h injective on the data"][1]


def test_the_singular_last_step_of_gauge_x0_is_a_failed_guarantee(toy: Any) -> None:
    family = type(toy.family)((1, 3, 3), type(toy.family).Options(gauge="x0"))
    status, evidence = rows(toy.evaluation(family=family))["every element in GL"]
    assert status == "fail"
    assert "1 of 40 steps are not in GL: step 39 (a = 0)" in evidence


def test_a_singular_rho_is_not_in_gl(toy: Any) -> None:
    def singular(g: torch.Tensor) -> torch.Tensor:
        matrix = toy.model().representation(g).clone()
        matrix[..., 0, :] = 0
        return matrix

    assert rows(toy.evaluation(toy.model(singular)))["every element in GL"][0] == "fail"


def test_a_trivial_rho_is_not_injective_and_a_doubled_one_no_homomorphism(toy: Any) -> None:
    still = toy.model(lambda g: torch.eye(toy.m, dtype=g.dtype).expand(*g.shape[:-1], -1, -1))
    assert rows(toy.evaluation(still))["rho injective"][0] == "fail"
    doubled = toy.model(lambda g: 2 * toy.model().representation(g))
    assert rows(toy.evaluation(doubled))["rho a homomorphism"][0] == "fail"


def test_an_action_that_is_none_is_noticed(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(toy.family), "act", lambda self, g, x: x + g[..., :1, None, None] ** 2)
    assert rows(toy.evaluation())["rho* a homomorphism"][0] == "fail"


@pytest.mark.parametrize(("floor", "status"), [((1.0, 1.0), "pass"), ((1.3, 1.0), "fail"), (None, "unknown")])
def test_training_is_at_its_floor_if_nothing_does_better(toy: Any, floor: Any, status: str) -> None:
    assert rows(toy.evaluation(), floor=floor)["training at its floor"][0] == status
