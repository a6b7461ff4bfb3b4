"""The picture of the isotypic spectrum: every component a band, the smallest of many together."""

from __future__ import annotations

from typing import Any

import pytest

from symdiff.report.figures.isotypic import BANDS, OTHERS, isotypic_spectrum


def process(count: int, levels: int = 4) -> dict[str, Any]:
    weights = [1 / (k + 1) for k in range(count)]
    shares = {f"irrep {k}": {"value": weight / sum(weights), "interval": None} for k, weight in enumerate(weights)}
    parts = [{"name": name, "dimension": 2.0, "noise_share": 1 / count} for name in shares]
    kinds = dict.fromkeys(("state", "denoised", "state_fluctuation", "denoised_fluctuation"), shares)
    times = [{"timestep": 1000 - 100 * i, **kinds} for i in range(levels)]
    return {"equivariance": {"isotypic": {"components": parts, "levels": times}}}


@pytest.mark.parametrize("count", [1, 3, BANDS])
def test_every_component_is_named(count: int) -> None:
    plate = isotypic_spectrum(process(count))
    assert plate is not None
    assert all(f"irrep {k} " in plate.alt for k in range(count))
    assert "irrep 0: " in plate.svg
    assert OTHERS not in plate.alt


def test_of_many_the_smallest_are_one_band() -> None:
    plate = isotypic_spectrum(process(20))
    assert plate is not None
    assert f"irrep {BANDS - 2} " in plate.alt
    assert f"irrep {BANDS - 1} " not in plate.alt
    weights = [1 / (k + 1) for k in range(20)]
    assert f"{OTHERS} {sum(weights[BANDS - 1 :]) / sum(weights):.2f}" in plate.alt


def test_without_components_or_with_one_level_there_is_no_picture() -> None:
    assert isotypic_spectrum({"equivariance": {"isotypic": {"absent": "unknown"}}}) is None
    assert isotypic_spectrum(process(3, levels=1)) is None
    assert isotypic_spectrum({}) is None
