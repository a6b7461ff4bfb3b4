"""The verdict can come out negative, and does so for every way of satisfying the law trivially."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.diagnostics import Thresholds, diagnose, verdict
from symdiff.diagnostics.equivariant_content import INTERPOLATION
from symdiff.result import Estimate

GOOD = [{"value": 0.999, "interval": [0.99, 1.0], "timestep": t, "caution": None} for t in (900, 500, 100)]


def level(value: float, half: float = 0.01, caution: str | None = None, timestep: int = 300) -> dict[str, Any]:
    return {"value": value, "interval": [value - half, value + half], "timestep": timestep, "caution": caution}


def estimates(**changes: float) -> dict[str, Estimate]:
    """Figures of a model that learned, with `changes`."""
    values = {
        "homomorphism_error": 1e-5,
        "equivariance_skill": 0.97,
        "equivariance_skill_whitened": 0.97,
        "faithfulness": 0.2,
        "action_energy": 0.2,
        "effective_rank": 12.0,
        "latent_spread": 0.5,
        "reconstruction_gap": 0.4,
        "blind": 0.1,
        "permuted_p": 0.005,
        "exact_energy": 0.2,
        **changes,
    }

    def estimate(name: str, better: Literal["lower", "higher"] = "higher", **null: float | None) -> Estimate:
        value = values[name]
        half = 0.01 * abs(value)
        return Estimate(value=value, interval=(value - half, value + half), n=64, better=better, null=null)

    return {
        "homomorphism_error": estimate("homomorphism_error", "lower", identity=0.0),
        "equivariance_skill": estimate("equivariance_skill", permuted_p=values["permuted_p"]),
        "equivariance_skill_whitened": estimate("equivariance_skill_whitened", identity=0.0, blind=values["blind"]),
        "faithfulness": Estimate(value=values["faithfulness"], n=64, better="higher", null={"typical": 0.5}),
        "action_energy": estimate("action_energy", pca=values["exact_energy"]),
        "effective_rank": Estimate(value=values["effective_rank"], n=64, better="higher"),
        "latent_spread": Estimate(value=values["latent_spread"], n=64, better="higher"),
        "reconstruction_gap": estimate("reconstruction_gap", pca=0.5),
    }


def test_law_and_content_together_support_structure() -> None:
    found = verdict(estimates(), {"shared_affine_r2_denoised": GOOD})
    assert found.structured == "supported"
    assert found.claims["decomposition"].status == "inconclusive"
    assert found.claims["decomposition"].evidence == "rho was not decomposed"
    assert found.thresholds == Thresholds().model_dump()


def test_process_diagnostics_say_nothing_of_a_group_whose_actions_are_not_the_steps() -> None:
    found = verdict(estimates(), {"shared_affine_r2_denoised": GOOD}, actions_are_steps=False)
    assert found.claims["content"].status == "inconclusive"
    assert found.structured == "inconclusive"


def denoiser_at(
    skill: float | None, half: float = 0.01, random: float = 0.1, caution: str | None = None
) -> dict[str, Any]:
    interval = None if skill is None else [skill - half, skill + half]
    return {
        "timestep": 300,
        "skill": {"value": skill, "interval": interval},
        "random": {"error": 1.0, "skill": random},
        "caution": caution,
    }


@pytest.mark.parametrize(
    ("levels", "status", "reason"),
    [
        ([denoiser_at(0.99), denoiser_at(0.97)], "supported", "above 0.95 at all 2 levels"),
        ([denoiser_at(0.99), denoiser_at(0.7)], "not supported", "below 0.9 at timesteps 300 (1)"),
        ([denoiser_at(0.99), denoiser_at(0.92)], "inconclusive", "not settled above 0.95"),
        ([denoiser_at(0.99), denoiser_at(0.7, half=0.3)], "inconclusive", "not settled above 0.95"),
        ([denoiser_at(0.99), denoiser_at(0.7, caution=INTERPOLATION)], "inconclusive", INTERPOLATION),
        (
            [denoiser_at(0.99), denoiser_at(None)],
            "supported",
            "1 of 2 levels, where x0hat is nearly invariant, left out",
        ),
        ([denoiser_at(None)], "inconclusive", "nearly invariant under the group at every noise level"),
        ([denoiser_at(0.99, random=0.97)], "inconclusive", "a network of random weights is above 0.95"),
        ([], "inconclusive", "nearly invariant"),
    ],
)
def test_a_group_acting_on_images_is_judged_by_the_equivariance_of_the_denoiser(
    levels: list[dict[str, Any]], status: str, reason: str
) -> None:
    process = {"shared_affine_r2_denoised": GOOD, "equivariance": {"absent": None, "levels": levels}}
    found = verdict(estimates(), process, actions_are_steps=False)
    assert found.claims["content"].status == status
    assert reason in found.claims["content"].evidence
    assert found.thresholds["equivariance_supported"] == 0.95
    # A family whose actions are the steps is judged by its shared maps as ever.
    assert verdict(estimates(), process).claims["content"].status == "supported"


def test_without_the_model_the_content_of_such_a_group_is_open() -> None:
    process = {"equivariance": {"absent": "the model is not at hand", "levels": []}}
    claim = verdict(estimates(), process, actions_are_steps=False).claims["content"]
    assert (claim.status, claim.evidence) == (
        "inconclusive",
        "the equivariance of the denoiser was not measured: the model is not at hand",
    )


def test_an_encoder_that_is_equivariant_untrained_is_so_by_construction_and_not_refuted_by_itself() -> None:
    found = estimates(equivariance_skill_whitened=1.0)
    skill = found["equivariance_skill_whitened"]
    learned = skill.model_copy(update={"interval": (1.0, 1.0), "null": {**skill.null, "untrained": 0.99}})
    constructed = learned.model_copy(update={"null": {**skill.null, "untrained": 1.0}})
    for estimate, said in ((learned, False), (constructed, True)):
        law = verdict({**found, "equivariance_skill_whitened": estimate}, {}).claims["law"]
        assert law.status == "supported"
        assert ("by construction" in law.evidence) is said
    beaten = constructed.model_copy(update={"null": {**constructed.null, "permuted": 1.0}})
    assert verdict({**found, "equivariance_skill_whitened": beaten}, {}).claims["law"].status == "not supported"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"homomorphism_error": 0.2}, "not supported"),
        ({"homomorphism_error": 0.03}, "inconclusive"),
        ({"equivariance_skill_whitened": 0.5}, "inconclusive"),
        ({"equivariance_skill_whitened": 0.1}, "not supported"),
        ({"blind": 0.99}, "not supported"),
        ({"permuted_p": 0.4}, "inconclusive"),
        ({"faithfulness": 0.0}, "not supported"),
        ({"faithfulness": 1e-4}, "not supported"),
        ({"action_energy": 0.0}, "not supported"),
        ({"action_energy": 0.01}, "inconclusive"),
    ],
)
def test_the_law_fails_on_each_criterion_alone(change: dict[str, float], status: str) -> None:
    found = verdict(estimates(**change), {"shared_affine_r2_denoised": GOOD})
    assert found.claims["law"].status == status
    assert found.structured == status
    assert found.claims["content"].status == "supported"


@pytest.mark.parametrize("change", [{"effective_rank": 1.005}, {"latent_spread": 3e-4}, {"reconstruction_gap": 0.001}])
def test_collapse_wins_over_small_errors(change: dict[str, float]) -> None:
    assert verdict(estimates(**change), {"shared_affine_r2_denoised": GOOD}).structured == "collapsed"


def test_a_small_gap_is_no_collapse_where_principal_components_have_none_either() -> None:
    found = estimates(reconstruction_gap=0.02)
    small = found["reconstruction_gap"].model_copy(update={"null": {"pca": 0.03}})
    process = {"shared_affine_r2_denoised": GOOD}
    assert verdict({**found, "reconstruction_gap": small}, process).structured == "supported"


@pytest.mark.parametrize(
    ("levels", "status"),
    [
        ([*GOOD, level(0.99)], "supported"),
        ([*GOOD, level(0.7)], "not supported"),
        ([*GOOD, level(0.93)], "inconclusive"),
        # A fifth of 1 - R^2 is estimation error: the best map may have reached 0.90.
        ([*GOOD, {**level(0.87), "inflation": 0.25}], "inconclusive"),
        ([*GOOD, {**level(0.8), "inflation": 0.25}], "not supported"),
        ([*GOOD, level(0.89, half=0.03)], "inconclusive"),
        ([*GOOD, level(0.7, caution="too few trajectories")], "inconclusive"),
        ([*GOOD, {**level(0.7), "interval": None}], "inconclusive"),
        ([*GOOD, {**level(0.7), "value": None}], "supported"),
        ([], "inconclusive"),
    ],
)
def test_content_needs_every_level_and_is_refuted_by_one(levels: list[dict[str, Any]], status: str) -> None:
    found = verdict(estimates(), {"shared_affine_r2_denoised": levels})
    assert found.claims["content"].status == status
    assert found.structured == status


def test_refuting_levels_are_named() -> None:
    found = verdict(estimates(), {"shared_affine_r2_denoised": [*GOOD, level(0.7, timestep=321)]})
    assert "321" in found.claims["content"].evidence


FOUND = {
    "verdict": "decomposable",
    "given": False,
    "stability": 0.98,
    "noise": 1e-3,
    "reason": "some block cannot be told from noise",
    "cautions": [],
    "size": 6,
    "support_dimension": 6,
    "on_support": None,
    "blocks": [{"multiplicity": 2}, {"multiplicity": 1}],
}
SUPPORT = {"support_dimension": 4}


@pytest.mark.parametrize(
    ("changes", "status", "evidence"),
    [
        ({}, "supported", "3 blocks"),
        ({"given": True, "stability": 1.0}, "inconclusive", "given to rho: a trained form with -o block=free"),
        ({"stability": 0.89}, "inconclusive", "90% are asked for"),
        ({"stability": None}, "inconclusive", "unknown stability"),
        ({"noise": None}, "supported", "unknown noise"),
        ({"verdict": "unresolved", "stability": 1.0}, "inconclusive", "cannot be told from noise"),
        ({"cautions": ["too few matrices"]}, "inconclusive", "too few matrices"),
        ({"verdict": "irreducible"}, "not supported", "does not split"),
        ({"verdict": "reducible-indecomposable"}, "not supported", "does not split"),
        ({**SUPPORT, "on_support": {"verdict": "decomposable"}}, "supported", "3 blocks"),
        ({**SUPPORT, "on_support": {"verdict": "irreducible"}}, "not supported", "4 of 6 dimensions"),
        ({**SUPPORT, "on_support": {"verdict": "unresolved"}}, "inconclusive", "4 of 6 dimensions"),
        (SUPPORT, "inconclusive", "4 of 6 dimensions"),
    ],
)
def test_a_decomposition_counts_if_found_stable_resolved_and_visited(
    changes: dict[str, Any], status: str, evidence: str
) -> None:
    found = verdict(
        estimates(),
        {"shared_affine_r2_denoised": GOOD},
        decomposition={**FOUND, **changes},
        free_form="-o block=free",
    )
    assert found.claims["decomposition"].status == status
    assert evidence in found.claims["decomposition"].evidence
    assert found.thresholds["stability"] == 0.9


def test_where_no_form_of_rho_is_free_none_is_recommended() -> None:
    claim = verdict({}, {}, decomposition={**FOUND, "given": True}).claims["decomposition"]
    assert claim.evidence.endswith("but this structure was given to rho")


def test_the_least_a_decomposition_can_say_is_enough_for_a_claim() -> None:
    assert verdict({}, {}, decomposition={"verdict": "decomposable"}).claims["decomposition"].status == "inconclusive"


@given(
    error=st.floats(0, 1),
    skill=st.floats(-1, 1),
    faithful=st.floats(0, 1),
    energy=st.floats(0, 1),
    spread=st.floats(0, 1),
    blind=st.floats(-1, 1),
    r2=st.lists(st.floats(-1, 1), max_size=4),
    known=st.sets(st.sampled_from(sorted(estimates()))),
)
def test_structure_is_supported_only_by_law_and_content_and_never_by_a_collapsed_model(
    error: float, skill: float, faithful: float, energy: float, spread: float, blind: float, r2: list[float],
    known: set[str],
) -> None:  # fmt: skip
    every = estimates(
        homomorphism_error=error, equivariance_skill_whitened=skill, faithfulness=faithful, action_energy=energy,
        latent_spread=spread, blind=blind,
    )  # fmt: skip
    process = {"shared_affine_r2_denoised": [level(value) for value in r2]}
    found = verdict({name: every[name] for name in known}, process)
    statuses = {found.claims["law"].status, found.claims["content"].status}
    assert (found.structured == "supported") == (statuses == {"supported"})
    if "latent_spread" in known and spread < 0.01:
        assert found.structured == "collapsed"
    if found.structured == "inconclusive":
        assert "not supported" not in statuses
    if found.claims["law"].status == "supported":
        assert error <= 0.011
        assert skill > blind


def test_a_rho_blind_to_translations_fails_the_law_and_says_so(toy: Any) -> None:
    blind = toy.model(lambda g: g[..., :1, None] ** 0.3 * torch.eye(toy.m, dtype=g.dtype))
    found = verdict(diagnose(toy.evaluation(blind)).estimates, {"shared_affine_r2_denoised": GOOD})
    assert found.claims["law"].status == "not supported"
    assert "does not tell elements apart" in found.claims["law"].evidence
    assert found.structured == "not supported"
