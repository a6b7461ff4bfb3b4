"""Candidate groups on the same trajectories are ranked by what they miss of x0hat at the worst noise level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symdiff.report import in_words, ranking, write_index
from symdiff.report.candidates import as_document
from symdiff.result import Claim, Result, Status, Verdict, load_result


def candidate(
    group: str, missed: list[tuple[float, float, float] | None], status: Status, /, model: str = "m", **options: Any
) -> Result:
    """A result whose process misses these shares with their intervals, one a level."""
    errors = [{"value": m and m[0], "interval": m and [m[1], m[2]]} for m in missed]
    levels = [{"timestep": 100 * (i + 1), "error": error} for i, error in enumerate(errors)]
    r2 = [{"value": m and 1 - m[0], "interval": m and [1 - m[2], 1 - m[1]]} for m in missed]
    affine = [figure | {"timestep": 100 * (i + 1)} for i, figure in enumerate(r2)]
    process = {"shared_affine_r2_denoised": affine} if group == "affine" else {"equivariance": {"levels": levels}}
    claims = {"content": Claim(status=status, evidence="")}
    return Result(
        symdiff_version="0",
        group=group,
        model=model,
        config={"model": model, "seed": 0, "options": options},
        diagnostics={},
        process=process,
        verdict=Verdict(structured="inconclusive", reason="", claims=claims),
    )


def three() -> dict[str, Result]:
    return {
        "one": candidate("turns", [(0.01, 0.0, 0.02), (7.5, 7.0, 8.0)], "not supported", group="D4", width=3),
        "two": candidate("turns", [(0.03, 0.02, 0.04), (0.01, 0.0, 0.02), None], "supported", group="C2", width=3),
        "three": candidate("affine", [(0.5, 0.25, 0.75)], "not supported"),
    }


def test_the_worst_level_decides_and_candidates_are_told_apart_by_their_options() -> None:
    found = ranking(three())
    assert [(item.name, item.group, item.missed, item.timestep) for item in found] == [
        ("two", "turns C2", 0.03, 100),
        ("three", "affine", 0.5, 100),
        ("one", "turns D4", 7.5, 200),
    ]
    assert [item.resolved for item in found] == [True, True, None]
    assert as_document(found)[1]["interval"] == (0.25, 0.75)


SUPPORTED = "The data support turns C2 (misses 0.0300 [0.0200, 0.0400] of the spread of x̂₀ at t = 100)."


def test_the_words_say_what_the_data_support_and_what_they_speak_against() -> None:
    assert in_words(ranking(three())) == [
        SUPPORTED,
        "They speak against affine (misses 0.500 [0.250, 0.750] of the spread of x̂₀ at t = 100) and "
        "turns D4 (misses 7.50 [7, 8] of the spread of x̂₀ at t = 200).",
    ]


def test_overlapping_intervals_leave_the_order_open_and_nothing_supported_is_said_so() -> None:
    found = ranking(
        {
            "a": candidate("turns", [(0.07, 0.04, 0.1)], "inconclusive", group="C4"),
            "b": candidate("turns", [(0.08, 0.05, 0.11)], "inconclusive", group="D4"),
            "c": candidate("turns", [None], "inconclusive", group="C3"),
        }
    )
    said = in_words(found)
    assert said[0] == "The data support none of these groups."
    assert "turns C3 (not measured)" in said[1]
    assert said[2] == "The order of turns C4 and turns D4 is not resolved: their intervals overlap."


def test_runs_of_different_trajectories_are_not_ranked() -> None:
    other = candidate("turns", [(0.1, 0.0, 0.2)], "inconclusive", model="another")
    assert ranking(three() | {"four": other}) == []
    assert ranking({"one": three()["one"]}) == []
    assert in_words([]) == []


def test_the_index_of_a_comparison_shows_the_ranking(tmp_path: Path) -> None:
    for name, result in three().items():
        (tmp_path / name).mkdir()
        result.write(tmp_path / name / "result.json")
    assert load_result(tmp_path / "one").group == "turns"
    page = write_index([tmp_path / name for name in three()], tmp_path / "index.html").read_text()
    assert SUPPORTED in page
    assert page.index("turns C2</th>") < page.index("affine</th>") < page.index("turns D4</th>")
