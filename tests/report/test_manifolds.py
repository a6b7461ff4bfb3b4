"""Manifolds on the same trajectories are ranked by what they predict, and none is praised for being blind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from symdiff.report import manifold_section, ranking, write_index, write_report
from symdiff.report.manifolds import manifold_ranking, manifolds_as_document, manifolds_in_words
from symdiff.result import Claim, Estimate, Result, Status, Verdict


def figure(value: float | None) -> dict[str, Any]:
    ends = None if value is None else (0.9 * value, 1.1 * value)
    return {"value": value, "interval": ends, "caution": None if value is not None else "too far apart"}


def described(manifold: str, n: int, follows: bool, mean: bool = True) -> dict[str, Any]:
    value = 0.5 if mean else None
    curve = {
        "mean": {"converged": 32, "iterations": 7, "residual": 1e-14, "distance_from_identity": 0.2} if mean else None,
        "variance": figure(value),
        "shares": [0.7, 0.2] if mean else [],
        "geodesic": figure(value),
        "subgroup": figure(value),
    }
    return {
        "manifold": manifold, "n": n, "size": 4, "blocks": 10, "trajectories": 32, "steps": 50,
        "follows_translations": follows, "curves": {"steps": curve, "products": curve},
        "word_length": [{"length": 2, **figure(0.07)}, {"length": 10, **figure(0.35)}],
        "words": ["A word <on it>."],
    }  # fmt: skip


def candidate(
    manifold: str, error: float, spread: float, law: Status = "inconclusive", follows: bool = True, **changes: Any
) -> Result:
    config = {"model": "m", "seed": 0, "latent": 40, "options": {"manifold": manifold, "rho": "lie"}, **changes}
    interval = (error - spread, error + spread)
    return Result(
        symdiff_version="0",
        group="geomstats",
        model="m",
        config=config,
        diagnostics={
            "prediction_error_whitened": Estimate(value=error, interval=interval, n=64),
            "homomorphism_error": Estimate(value=1e-8, interval=(0.0, 2e-8), n=64),
        },
        process={"manifold": described(manifold, 4, follows)},
        verdict=Verdict(structured="inconclusive", reason="", claims={"law": Claim(status=law, evidence="")}),
    )


def three() -> dict[str, Result]:
    return {
        "one": candidate("so", 0.34, 0.01, "not supported", follows=False),
        "two": candidate("triangular", 0.030, 0.01),
        "three": candidate("gl+", 0.021, 0.005),
    }


def test_the_least_held_out_prediction_error_comes_first_whatever_the_homomorphism_error() -> None:
    found = manifold_ranking(three())
    assert [item.manifold for item in found] == ["gl+(4)", "triangular(4)", "so(4)"]
    assert [item.resolved for item in found] == [False, True, None]
    assert [item.law for item in found] == ["inconclusive", "inconclusive", "not supported"]
    assert manifolds_as_document(found)[0]["interval"] == pytest.approx((0.016, 0.026))


def test_costs_are_counted_from_the_group_that_holds_the_others() -> None:
    found = manifold_ranking(three() | {"four": candidate("triangular", 0.019, 0.001)})
    assert [item.cost for item in found] == pytest.approx([-0.002, 0, 0.009, 0.319])
    without = {name: result for name, result in three().items() if name != "three"}
    assert [item.cost for item in manifold_ranking(without)] == pytest.approx([0, 0.31])


def test_the_words_name_the_cost_and_those_that_are_blind() -> None:
    said = manifolds_in_words(manifold_ranking(three()))
    assert said == [
        "With m = 40, rho on gl+(4) predicts held-out latents best: 0.0210 [0.0160, 0.0260] of their variance.",
        "What the constraint costs in prediction, counted from gl+(4): triangular(4) 0.00900, so(4) 0.319.",
        "No homomorphism of steps that scale and translate into so(4) sees the translations: there a small "
        "homomorphism error is no merit.",
        "The order of gl+(4) and triangular(4) is not resolved: their intervals overlap.",
    ]
    assert manifolds_in_words([]) == []


def test_only_runs_of_one_latent_size_on_the_same_trajectories_are_compared() -> None:
    other = {"wide": candidate("se", 0.1, 0.01, latent=50), "seed": candidate("se", 0.1, 0.01, seed=1)}
    assert len(manifold_ranking(three() | other)) == 3
    assert manifold_ranking({"one": three()["one"], **other}) == []
    assert manifold_ranking({}) == []


def test_what_is_the_same_for_all_of_them_is_not_ranked() -> None:
    assert ranking(three()) == []


def test_the_index_shows_the_ranking(tmp_path: Path) -> None:
    for name, result in three().items():
        (tmp_path / name).mkdir()
        result.write(tmp_path / name / "result.json")
    page = write_index([tmp_path / name for name in three()], tmp_path / "index.html").read_text(encoding="utf-8")
    assert "What does each manifold cost?" in page
    assert page.index("gl+(4)</th>") < page.index("triangular(4)</th>") < page.index("so(4)</th>")


def test_the_page_of_a_run_shows_its_curves_in_words_tables_and_figures(tmp_path: Path) -> None:
    candidate("so", 0.34, 0.01).write(tmp_path / "result.json")
    t = np.linspace(0, 1, 50, dtype=np.float32)
    curve = np.stack([np.stack([s * t, t**2], axis=-1) for s in (1, 2, 3)])
    arrays = {f"manifold_plane_{name}": curve for name in ("steps", "products")}
    arrays |= {f"{name}_shares": np.array([0.7, 0.2], dtype=np.float32) for name in arrays}
    arrays["manifold_ball_products"] = np.concatenate([curve, curve[..., :1]], axis=-1)
    save_file(arrays, tmp_path / "figures.safetensors")
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "A word &lt;on it&gt;." in page
    for name in ("manifold-steps", "manifold-products", "manifold-ball"):
        assert f'<figure id="{name}">' in page
    assert "0.350 [0.315, 0.385]" in page
    assert "32 of 32, 7 rounds" in page


def test_a_curve_without_a_mean_is_said_to_have_none() -> None:
    found = manifold_section.section({"manifold": described("so", 4, False, mean=False)})
    assert found is not None
    assert found.tables[0].rows[0][1:] == ["—", "—", "—", "—", "—", "—"]
    assert any("too far apart" in caution for caution in found.cautions)
    assert manifold_section.section({}) is None
