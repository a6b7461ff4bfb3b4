"""What the page says of linear parts: where structure begins to show, and where that cannot be told."""

from __future__ import annotations

from typing import Any

from symdiff.report.linear_parts import linear_parts_section

LINE = {"dim": 1, "multiplicity": 1, "type": "R", "verdict": "irreducible"}


def row(tolerance: float, verdict: str) -> dict[str, Any]:
    return {"tolerance": tolerance, "verdict": verdict, "commutant_dim": 2, "blocks": [LINE, LINE]}


def document(*verdicts: str, correlation: float | None = 0.1) -> dict[str, Any]:
    tolerances = [row(10.0 ** (i - 3), verdict) for i, verdict in enumerate(verdicts)]
    figures = {"value": correlation, "sampling": 0.05, "random": 0.4}
    level = {"timestep": 20, "alpha_bar": 0.9, "motion": 1.0, **row(1e-10, "decomposable")}
    about = {"tolerances": tolerances, "levels": [level], "block_correlation": figures, "asymmetry": 0.25}
    return {"linear_parts": about}


def test_the_first_tolerance_at_which_the_parts_split_is_named() -> None:
    found = linear_parts_section(document("irreducible", "decomposable", "decomposable"))
    assert found is not None
    assert found.sentences[0].startswith("With 1.0% of their motion taken for noise the linear parts split: 2 blocks")


def test_where_nothing_splits_the_page_says_up_to_where_and_from_where_it_is_open() -> None:
    found = linear_parts_section(document("irreducible", "irreducible", "unresolved"))
    assert found is not None
    assert "up to 1.0% of their motion taken for noise the linear parts do not split" in found.sentences[0]
    assert found.sentences[1].startswith("From 10.0% on it cannot be told")


def test_one_block_has_no_correlation_with_others() -> None:
    found = linear_parts_section(document("irreducible", correlation=None))
    assert found is not None
    assert not any("correlation" in sentence for sentence in found.sentences)


def test_levels_exact_to_rounding_say_so() -> None:
    found = linear_parts_section(document("decomposable"))
    assert found is not None
    assert found.levels[0]["taken for noise"] == "rounding"
    assert found.tolerances[0]["taken for noise"] == "0.1%"


def test_other_decompositions_have_no_such_section() -> None:
    assert linear_parts_section({"verdict": "irreducible"}) is None
    assert linear_parts_section(None) is None
