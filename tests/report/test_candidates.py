"""Candidate groups on the same trajectories are ranked by the lowest skill of what they say of the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symdiff.report import in_words, ranking, write_index
from symdiff.report.candidates import as_document
from symdiff.result import Claim, Result, Status, Verdict, load_result


def candidate(
    group: str, skills: list[tuple[float, float, float] | None], status: Status, /, model: str = "m", **options: Any
) -> Result:
    """A result whose process has these skills with their intervals, one a level."""
    figures = [{"value": s and s[0], "interval": s and [s[1], s[2]]} for s in skills]
    levels = [{"timestep": 100 * (i + 1), "skill": figure} for i, figure in enumerate(figures)]
    affine = [figure | {"timestep": 100 * (i + 1)} for i, figure in enumerate(figures)]
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
        "one": candidate("turns", [(0.99, 0.98, 1.0), (0.3, 0.2, 0.4)], "not supported", group="D4", width=3),
        "two": candidate("turns", [(0.97, 0.96, 0.98), (0.99, 0.98, 1.0), None], "supported", group="C2", width=3),
        "three": candidate("affine", [(0.6, 0.55, 0.65)], "not supported"),
    }


def test_the_lowest_skill_decides_and_candidates_are_told_apart_by_their_options() -> None:
    found = ranking(three())
    assert [(item.name, item.group, item.skill, item.timestep) for item in found] == [
        ("two", "turns C2", 0.97, 100),
        ("three", "affine", 0.6, 100),
        ("one", "turns D4", 0.3, 200),
    ]
    assert [item.resolved for item in found] == [True, True, None]
    assert as_document(found)[0]["interval"] == (0.96, 0.98)


def test_the_words_say_what_the_data_support_and_what_they_speak_against() -> None:
    said = in_words(ranking(three()))
    assert said == [
        "The data support turns C2 (skill 0.970 [0.960, 0.980] at t = 100).",
        "They speak against affine (skill 0.600 [0.550, 0.650] at t = 100) and "
        "turns D4 (skill 0.300 [0.200, 0.400] at t = 200).",
    ]


def test_overlapping_intervals_leave_the_order_open_and_nothing_supported_is_said_so() -> None:
    found = ranking(
        {
            "a": candidate("turns", [(0.93, 0.9, 0.96)], "inconclusive", group="C4"),
            "b": candidate("turns", [(0.92, 0.89, 0.95)], "inconclusive", group="D4"),
            "c": candidate("turns", [None], "inconclusive", group="C3"),
        }
    )
    said = in_words(found)
    assert said[0] == "The data support none of these groups."
    assert "turns C3 (no skill was measured)" in said[1]
    assert said[2] == "The order of turns C4 and turns D4 is not resolved: their intervals overlap."


def test_runs_of_different_trajectories_are_not_ranked() -> None:
    other = candidate("turns", [(0.9, 0.8, 1.0)], "inconclusive", model="another")
    assert ranking(three() | {"four": other}) == []
    assert ranking({"one": three()["one"]}) == []
    assert in_words([]) == []


def test_the_index_of_a_comparison_shows_the_ranking(tmp_path: Path) -> None:
    for name, result in three().items():
        (tmp_path / name).mkdir()
        result.write(tmp_path / name / "result.json")
    assert load_result(tmp_path / "one").group == "turns"
    page = write_index([tmp_path / name for name in three()], tmp_path / "index.html").read_text()
    assert "The data support turns C2 (skill 0.970 [0.960, 0.980] at t = 100)." in page
    assert page.index("turns C2</th>") < page.index("affine</th>") < page.index("turns D4</th>")
