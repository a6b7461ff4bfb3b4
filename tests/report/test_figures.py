"""Figures and image grids: what is drawn is what was measured."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.axes import Axes
from PIL import Image

from symdiff.report.canvas import SERIES, draw, scale
from symdiff.report.figures import figures
from symdiff.report.figures.maps import shared_affine_denoised
from symdiff.report.figures.model import block_structure, word_length
from symdiff.report.figures.process import gauges
from symdiff.report.figures.training import training_loss
from symdiff.report.images import BUDGET, image_grid
from symdiff.report.pictures import strip, traversals
from symdiff.report.rundata import read_run

MakeRun = Callable[..., Path]


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_two_figures_of_the_same_data_share_no_identifier() -> None:
    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SERIES[0], marker="o")

    first, second = (set(re.findall(r'id="([^"]*)"', draw(name, plot, "y", "x"))) for name in ("a", "b"))
    assert first
    assert not first & second


def test_every_reference_in_a_figure_is_defined_in_it() -> None:
    def plot(axes: Axes) -> None:
        axes.fill_between([0, 1], [0, 0], [1, 2], color=SERIES[1])
        axes.plot([0, 1], [0, 1], color=SERIES[0], marker="o", label="line")

    svg = draw("figure", plot, "y", "x")
    assert set(re.findall(r'(?:href="|url\()#([\w.-]+)', svg)) == set(re.findall(r'id="([^"]*)"', svg))


@pytest.mark.parametrize(
    ("values", "decades", "expected"),
    [([1.0, 2.0], 1.3, "linear"), ([1.0, 200.0], 1.3, "log"), ([1.0, 2.0], 0.0, "log"), ([0.0, 0.0], 0.0, "linear")],
)
def test_an_axis_is_logarithmic_where_values_span_decades(values: list[float], decades: float, expected: str) -> None:
    found = []

    def plot(axes: Axes) -> None:
        axes.plot(values)
        scale(axes, [np.array(values)], decades)
        found.append((axes.get_yscale(), axes.get_ylim()))

    draw("figure", plot, "y", "x")
    (kind, (low, high)) = found[0]
    assert kind == expected
    if decades == 0 and kind == "log":
        assert high / low > 100


def test_a_flat_error_near_rounding_is_drawn_flat(make_run: MakeRun) -> None:
    x = np.array([2.0, 4.0, 8.0], dtype=np.float32)
    run = read_run(make_run(figures={"word_length": x, "word_length_error": 1e-7 * (1 + 0.01 * x)}))
    plate = word_length(run)
    assert plate is not None
    curve = next(
        path for path in re.findall(r'<path d="([^"]*)"[^>]*series-0[^>]*/>', plate.svg) if path.count("L") == 2
    )
    heights = [float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", curve)]
    assert max(heights) - min(heights) < 10


def test_a_singular_gauge_is_named(make_run: MakeRun, figure_arrays: dict[str, np.ndarray]) -> None:
    plate = gauges(read_run(make_run(figures=figure_arrays)))
    assert plate is not None
    assert "gauge x0 a step has a = 0" in plate.caption
    assert "gauge v a step" not in plate.caption


def test_thresholds_are_those_of_the_verdict(make_run: MakeRun) -> None:
    def change(document: dict[str, object]) -> None:
        document["verdict"]["thresholds"] = {"affine_supported": 0.97, "affine_refuted": 0.85}  # type: ignore[index]

    result = read_run(make_run(change=change)).result
    plate = shared_affine_denoised(result.process, result.verdict.thresholds)
    assert plate is not None
    assert "0.97" in plate.caption
    assert "0.85" in plate.caption


def test_stages_follow_each_other_on_one_axis(make_run: MakeRun) -> None:
    lines = [
        {"stage": stage, "step": step, "loss": 1.0 + step} for stage in ("lie", "lie-projected") for step in (10, 20)
    ]
    plate = training_loss(read_run(make_run(lines=lines)))
    assert plate is not None
    first, second = (
        [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
        for path in re.findall(r'<path d="(M [^"]*?L [^"]*?)"[^>]*clip-path[^>]*series-[01]', plate.svg)
    )
    assert max(first) < min(second)


@pytest.mark.parametrize("value", [0.0, 1.0, -2.0, 1e-30, 1e30, np.inf])
@pytest.mark.parametrize("size", [1, 2])
def test_odd_data_are_drawn_without_complaint(
    value: float, size: int, make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    odd = np.resize(np.array([value, 1.0], dtype=np.float32), size)
    ordered = {"step_timestep", "horizon", "word_length"}
    one_dimensional = {key: odd for key, array in figure_arrays.items() if array.ndim == 1 and key not in ordered}
    one_dimensional |= {key: figure_arrays[key][:size] for key in ordered}

    def change(document: dict[str, object]) -> None:
        level = {"value": value if np.isfinite(value) else None, "interval": None, "timestep": 20}
        document["process"] = {"shared_affine_r2_denoised": [level], "shared_affine_r2": [level]}

    drawn = figures(read_run(make_run(change=change, figures=one_dimensional)))
    usable = np.isfinite(odd).any()
    assert ("gauges" in drawn) == ("eigenvalue-moduli" in drawn) == usable
    assert ("shared-affine-denoised" in drawn) == np.isfinite(value)


def test_a_long_legend_takes_more_rows_and_the_axes_give_way() -> None:
    def plot_of(count: int) -> str:
        def plot(axes: Axes) -> None:
            for index in range(count):
                axes.plot([0, 1], [0, index], color=SERIES[index], label=f"lie-projected {index}")

        return draw("figure", plot, "y", "x")

    def top(svg: str) -> float:
        return float(re.findall(r'<clipPath.*?<rect x="[\d.]+" y="([\d.]+)"', svg, flags=re.DOTALL)[0])

    assert top(plot_of(2)) < top(plot_of(5))


# --- images -----------------------------------------------------------------------------------


GRIDS = st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]), st.just(8), st.just(8))


@given(arrays.arrays(np.float64, GRIDS, elements=st.floats(-1.5, 1.5)))
def test_every_pixel_of_a_grid_is_the_pixel_given(images: np.ndarray) -> None:
    grid = image_grid(images, "alt")
    picture = decoded(grid.uri)
    rows, columns, channels = images.shape[:3]
    cell = picture.shape[0] // rows
    assert picture.shape[1] // columns == cell
    gap, factor = (cell - 32) // 2, 4
    expected = np.rint((np.clip(images, -1, 1) + 1) / 2 * 255)
    for row in range(rows):
        for column in range(columns):
            tile = picture[row * cell + gap :, column * cell + gap :][:32:factor, :32:factor]
            assert (tile[..., channels] == 255).all()
            np.testing.assert_array_equal(np.moveaxis(tile[..., :channels], -1, 0), expected[row, column])


def test_gaps_are_transparent_so_that_they_suit_light_and_dark() -> None:
    picture = decoded(image_grid(np.zeros((1, 2, 1, 8, 8)), "alt").uri)
    assert (picture[0, :, -1] == 0).all()
    assert (picture[:, picture.shape[1] // 2, -1] == 0).all()


def test_noise_that_does_not_compress_is_shown_smaller() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (4, 9, 3, 64, 64))
    grid = image_grid(noise, "alt")
    assert len(base64.b64decode(grid.uri.split(",")[1])) <= BUDGET
    assert decoded(grid.uri).shape[0] < 4 * 64


def test_values_that_are_not_finite_are_drawn_black_or_white() -> None:
    images = np.zeros((1, 1, 1, 1, 4))
    images[0, 0, 0, 0] = [np.nan, np.inf, -np.inf, 1.0]
    picture = decoded(image_grid(images, "alt").uri)
    levels = picture[picture.shape[0] // 2, :, 0][picture[picture.shape[0] // 2, :, 1] == 255]
    assert levels.reshape(4, -1)[:, 0].tolist() == [0, 255, 0, 255]


def test_the_columns_of_a_trajectory_strip_are_labelled_shortly_enough_for_a_phone(
    make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    levels = np.array([4.3e-5, 3.1e-4, 0.00153, 0.00702, 0.0263, 0.081, 0.24, 0.66, 1.0])
    [grid] = strip(read_run(make_run(figures={**figure_arrays, "strip_alpha_bar": levels})))
    assert list(grid.column_labels) == ["4e-5", "3e-4", "0.002", "0.007", "0.03", "0.08", "0.2", "0.7", "1"]


@pytest.mark.parametrize(
    ("blocks", "labels"),
    [([1, 2, 2, 5], ["1", "2a", "2b", "5"]), ([3, 3, 3, 3], ["3a", "3b", "3c", "3d"]), (None, ["1", "2", "3", "4"])],
)
def test_traversals_are_labelled_by_their_block(
    blocks: list[int] | None, labels: list[str], make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    own = {"traversals": figure_arrays["traversals"][:4]}
    if blocks is not None:
        own["traversal_blocks"] = np.array(blocks, dtype=np.float32)
    panels = traversals(read_run(make_run(figures=own)))
    assert [label for panel in panels for label in panel.row_labels] == labels


def test_a_block_picture_needs_matrices_that_hold_its_blocks(
    make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    names = ("decomposition_before", "decomposition_after")
    whole = {name: figure_arrays[name] for name in names}
    assert block_structure(read_run(make_run("whole", figures=whole))) is not None
    smaller = {name: array[:8, :8].copy() for name, array in whole.items()}
    assert block_structure(read_run(make_run("smaller", figures=smaller))) is None
