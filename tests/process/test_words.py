"""Sentences: the right ones for the numbers, none without a number, and what was not measured is said."""

from __future__ import annotations

import re
from typing import Any

from symdiff.process.linear_words import commuting_at
from symdiff.process.ranges import ranges
from symdiff.process.words import words
from tests.report import described

ALPHA_BAR = described.ALPHA_BAR


def said(**changes: Any) -> str:
    return "\n".join(words(described.process() | changes, ALPHA_BAR))


def levels(*values: float, spread: float = 0.01) -> list[dict[str, Any]]:
    return [described.level(t, value, spread) for t, value in zip((1000, 740, 500, 260, 20), values, strict=True)]


def test_contiguous_levels_are_one_range_with_its_ends_and_their_share_of_signal() -> None:
    found = levels(*[0.0] * 5)
    assert ranges(found, [0, 1, 2], {1000.0: 4e-5, 500.0: 0.08}) == "t = 1000 … 500 (ᾱ 4e-5 … 0.080)"
    assert ranges(found, [4, 0, 1], {}) == "t = 1000 … 740 and t = 20"
    assert ranges(found, [0, 2, 4], {}) == "t = 1000, t = 500 and t = 20"
    assert ranges(found, [0, 2, 4], {}, most=2) == "t = 1000 and 2 more levels"
    assert ranges(found, [], {}) == "no level"


def test_where_the_process_is_affine_and_where_not_is_said_with_the_thresholds_of_the_verdict() -> None:
    text = said(shared_affine_r2_denoised=levels(0.99, 0.98, 0.85, 0.93, 0.99))
    assert "It is (interval above 0.95) at t = 1000 … 740 (ᾱ " in text
    assert "and t = 20 (ᾱ" in text
    assert "it is not (interval below 0.9) at t = 500 (ᾱ" in text
    assert "it is not settled at t = 260" in text
    assert "least at t = 500, 0.850 [0.840, 0.860]" in text


def test_a_process_that_is_affine_throughout_is_said_to_be_so() -> None:
    text = said(shared_affine_r2_denoised=levels(0.999, 0.998, 0.997, 0.999, 0.999, spread=0.001))
    assert "At all 5 noise levels x̂₀ is one affine function of the state" in text
    assert "least at t = 500, 0.997 [0.996, 0.998]" in text


def test_a_low_value_that_too_few_trajectories_explain_refutes_nothing() -> None:
    few = levels(0.5, 0.5, 0.5, 0.5, 0.5)
    for level in few:
        level["caution"] = "only 40 training trajectories for 64 pixels"
    text = said(shared_affine_r2_denoised=few)
    assert "it is not (interval" not in text
    assert re.search(r"It is not settled at t = 1000 … 20 \(ᾱ [^)]*\) \(only 40 training trajectories for 64 pix", text)


def test_where_fewer_numbers_suffice_is_said() -> None:
    text = said(
        shared_scalar_r2_denoised=levels(0.2, 0.3, 0.5, 0.7, 0.99),
        shared_diagonal_r2_denoised=levels(0.99, 0.99, 0.99, 0.99, 0.99),
    )
    assert re.search(r"One gain for all pixels and a translation suffice for x̂₀ at t = 20 \(ᾱ [\d.]+\) \(R² from", text)
    assert "One gain a pixel and a translation suffice at every level" in text
    assert "suffice for x̂₀ at no level" in said(shared_scalar_r2_denoised=levels(*[0.2] * 5))


def test_composition_is_told_beside_the_whole_run_and_the_identity_is_called_one() -> None:
    text = said()
    assert "from t = 1000, the shared maps of the steps explain 0.0100 [−0.0100, 0.0300]" in text
    assert "if the steps were these maps is 0.0600" in text
    assert "(to 2e-7 in float32) by construction" in text


def test_the_bound_is_told_with_variance_clipping_data_and_the_uniform_law() -> None:
    text = said()
    assert "2.63 [2.58, 2.68] with the best variance, 2.75 [2.70, 2.80] with fixed_large and 2.84" in text
    assert "On the 180 held-out images of digits" in text
    assert "x̂₀ was not clipped, 180 images and 9 of 1000 times" in text
    assert "The uniform law over the grey levels has 4.09" in text
    continuous = said(elbo=described.elbo() | {"half_bin": None, "uniform": None, "clipped": True})
    assert "of a density: it may be negative" in continuous
    assert "x̂₀ was clipped" in continuous
    assert "uniform" not in continuous


def test_commuting_is_told_level_by_level_beside_its_null() -> None:
    text = said()
    assert "at one level and the next commute? They do at t = 500 (ᾱ" in text
    assert "they do not at t = 1000 … 740 (ᾱ" in text
    assert "it is not settled at t = 260 (ᾱ" in text
    assert "largest at t = 1000, 0.300 [0.280, 0.320], where unrelated bases would give 0.720" in text
    unknown = described.linear_part()
    for level in unknown["levels"]:
        level["commutator_null"] = None
    assert said(linear_part=unknown).count("commute was not measured") == 2
    assert "effective rank of ∂x̂₀/∂x is between 10 [9, 11] (t = 1000) and 38 [37, 39] (t = 20) of 64" in text
    assert "One basis for all levels leaves 0.300 [0.280, 0.320]" in text
    assert "0.350 in the principal axes of the data" in text


def test_every_part_that_was_not_measured_is_named_with_the_reason() -> None:
    reason = "the model is not at hand: it has another digest"
    text = said(linear_part=None, linear_part_absent=reason, elbo={"absent": reason}, composed=[])
    assert f"whether they commute, was not measured: {reason}." in text
    assert f"bound on the likelihood was not measured: {reason}." in text
    assert "composition of the steps was not measured" in text
    nothing = "\n".join(words({}, {}))
    assert nothing.count("not measured") == 4


def test_every_sentence_on_a_finding_has_a_number() -> None:
    theorems = ("by construction", "theorem")
    for sentence in words(described.process(), ALPHA_BAR):
        assert re.search(r"\d", sentence) or any(word in sentence for word in theorems), sentence
        assert sentence.endswith(".")
        assert "nan" not in sentence.lower().split()
        assert "None" not in sentence


def test_group_facts_are_told_gauge_by_gauge() -> None:
    text = said()
    assert "In gauge v the scalars of the run multiply to 0.00635, as √(ᾱ_T/ᾱ_f) = 0.00635 says" in text
    assert "no telescoping formula is known for it under this sampler" in text
    assert "1 of 50 steps is outside GL(d+1) and left out (t = 20: a = 0" in text
    undefined = described.group()["v"] | {
        "inside": None,
        "outside": {"count": 50, "steps": [{"timestep": 1, "why": "w"}]},
    }
    assert "In gauge x0 none of the 50 steps is an element of GL(d+1): w." in said(group={"x0": undefined})


def test_cautions_on_the_recording_are_sentences() -> None:
    assert "The estimate x̂₀ was clipped to [−1, 1] before every step." in said()


def test_commuting_is_judged_by_the_interval() -> None:
    assert commuting_at(described.figure(0.001, 0.001), 0.18) == "yes"
    assert commuting_at(described.figure(0.1, 0.02), 0.18) == "no"
    assert commuting_at(described.figure(0.03, 0.02), 0.18) == "open"
    assert commuting_at({"value": 0.0, "interval": None}, 0.18) == "open", "without an interval nothing is settled"
    assert commuting_at({"value": None, "interval": None}, 0.18) is None
    assert commuting_at(None, 0.18) is None
