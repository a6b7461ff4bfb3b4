"""A forest plot can be read whatever the sizes of its figures."""

from __future__ import annotations

import re

import pytest

from symdiff.report.forest import Line, forest


def ticks(lines: list[Line]) -> list[str]:
    return re.findall(r'text-anchor="\w+">([^<]*)</text>', forest("plot", "a figure", lines))


@pytest.mark.parametrize(
    "lines",
    [
        [Line("a", 4e-9, (3e-9, 6e-9), {"identity": 0.0, "scale": 0.15}), Line("b", 4e-16, None, {"untrained": 1.0})],
        [Line("a", 0.012, (0.010, 0.013), {"exact": 1e-32}), Line("b", 3e-5, (-1e-6, 6e-5), {"identity": 0.03})],
        [Line("a", 0.0), Line("b", 0.2)],
        [Line("a", -0.3), Line("b", 0.2)],
        [Line("a", 5e-12), Line("b", 9e-12)],
        [Line("a", 0.0)],
    ],
    ids=["nulls of 0", "nulls of rounding", "a row of 0", "signed", "small", "only 0"],
)
def test_ticks_are_told_apart_and_every_row_is_in_the_picture(lines):
    found = ticks(lines)
    assert len(found) >= 2
    assert len(set(found)) == len(found)
    assert [float(tick) for tick in found] == sorted(float(tick) for tick in found)
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', forest("plot", "a figure", lines))]
    assert all(8 <= place <= 336 for place in places)
    by_value = [place for _, place in sorted(zip([line.value for line in lines], places, strict=True))]
    assert by_value == sorted(by_value)


def test_a_null_of_rounding_does_not_press_the_rows_together():
    text = forest("plot", "a figure", [Line("a", 0.012, None, {"exact": 1e-32}), Line("b", 3e-5)])
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', text)]
    assert places[0] - places[1] > 100
