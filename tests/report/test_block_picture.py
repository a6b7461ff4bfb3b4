"""The block picture: what is drawn is where the blocks are, at every size."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from symdiff.report.figures.blocks import (
    HEIGHT,
    LEFT,
    SIDE,
    TOP,
    block_labels,
    block_picture,
    block_picture_file,
    colour_range,
)
from symdiff.report.figures.heatmap import pool
from symdiff.report.magnitude import mean_magnitude


def block(first: int, dim: int, multiplicity: int = 1, **fields: Any) -> dict[str, Any]:
    columns = [[first + copy * dim, first + (copy + 1) * dim] for copy in range(multiplicity)]
    rest = {"dim": dim, "multiplicity": multiplicity, "type": "R", "verdict": "irreducible", "flag": None}
    return {**rest, "columns": columns, **fields}


def row(*shapes: tuple[int, int], **fields: Any) -> list[dict[str, Any]]:
    """Blocks of the given (dim, multiplicity), one after another."""
    starts = np.cumsum([0, *(dim * multiplicity for dim, multiplicity in shapes)])
    return [block(int(start), *shape, **fields) for start, shape in zip(starts, shapes, strict=False)]


def picture(blocks: list[dict[str, Any]], noise: float = 1e-2) -> tuple[np.ndarray, np.ndarray]:
    """Mean magnitudes of noise with ones in the blocks, and of nothing but noise."""
    size = max(last for entry in blocks for _, last in entry["columns"])
    rng = np.random.default_rng(0)
    before, after = np.abs(noise * rng.standard_normal((2, size, size)))
    for entry in blocks:
        for first, last in entry["columns"]:
            after[first:last, first:last] += 1
    return before, after


def images(svg: str) -> list[np.ndarray]:
    """The pixels of every picture in the markup."""
    found = re.findall(r'base64,([\w+/=\s]+)"', svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def outlines(svg: str) -> list[list[tuple[float, float]]]:
    """Corners of every closed outline, in columns of an 8 x 8 picture."""
    paths = re.findall(r'<path d="(M [^"]*z)\s*"[^>]*--ink', svg)
    corners = [re.findall(r"[ML] ([\d.]+) ([\d.]+)", path) for path in paths]
    placed = [[(8 * (float(x) - LEFT[1]) / SIDE, 8 * (float(y) - TOP) / SIDE) for x, y in path] for path in corners]
    return [path[:-1] for path in placed]  # the last corner is the first again


def test_the_mean_magnitude_is_the_root_mean_square_over_the_matrices() -> None:
    np.testing.assert_allclose(mean_magnitude(np.array([[[3.0, 0.0]] * 2, [[4.0, 0.0]] * 2])), [[12.5**0.5, 0.0]] * 2)


@pytest.mark.parametrize(
    "blocks",
    [
        row((1, 1)),
        row((1, 2)),
        row((1, 2), (1, 1), (2, 3), (3, 3)),
        row((64, 1), type=None, verdict="unresolved"),
        row((1, 1), (1, 1), *[(2, 1)] * 31),
        row((8, 4), (16, 10), (64, 5)),
    ],
    ids=lambda blocks: f"m={blocks[-1]['columns'][-1][1]}",
)
def test_every_size_is_drawn_twice_to_the_same_bytes(blocks: list[dict[str, Any]]) -> None:
    before, after = picture(blocks)
    page = block_picture(before, after, blocks)
    assert page.svg == block_picture(before, after, blocks).svg
    given_map, found_map, _ = images(page.svg)
    assert len(given_map) == len(found_map) <= 192
    for kind, start in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        file = block_picture_file(before, after, blocks, kind)
        assert file.startswith(start)
        assert file == block_picture_file(before, after, blocks, kind)


def test_a_picture_on_a_page_has_the_colours_of_the_page_and_one_alone_its_own() -> None:
    blocks = row((2, 2))
    page, alone = block_picture(*picture(blocks), blocks).svg, block_picture_file(*picture(blocks), blocks, "svg")
    assert f'viewBox="0 0 344 {HEIGHT}"' in page
    assert "var(--ink)" in page
    assert b"var(" not in alone
    assert not re.findall(rb"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", alone)


def test_entries_in_blocks_are_the_strongest_and_noise_is_still_seen() -> None:
    blocks = row((2, 2), (4, 1))
    opacity = images(block_picture(*picture(blocks), blocks).svg)[1][..., 3]
    inside = np.zeros((8, 8), dtype=bool)
    for entry in blocks:
        for first, last in entry["columns"]:
            inside[first:last, first:last] = True
    assert opacity[inside].min() > 240
    assert 5 < np.median(opacity[~inside]) < 130


def test_every_copy_is_outlined_where_it_is() -> None:
    blocks = row((2, 2), (4, 1))
    expected = [(0, 2), (2, 4), (4, 8)]
    found = outlines(block_picture(*picture(blocks), blocks).svg)
    assert [(min(path)[0], max(path)[0]) for path in found] == [pytest.approx(pair, abs=1e-3) for pair in expected]


def test_a_flag_leaves_the_corner_below_the_invariant_subspace_outside() -> None:
    blocks = [block(0, 4), block(4, 4, verdict="reducible-indecomposable", flag=[3, 4])]
    square, stairs = outlines(block_picture(*picture(blocks), blocks).svg)
    assert len(square) == 4
    expected = [(4, 4), (8, 4), (8, 8), (7, 8), (7, 7), (4, 7)]
    assert [pytest.approx(corner, abs=1e-3) for corner in expected] == stairs


def test_the_colours_reach_from_the_noise_to_the_largest_entry() -> None:
    blocks = row((2, 2))
    before, after = picture(blocks, noise=1e-3)
    low, high = colour_range(before, after, blocks)
    assert high == after.max()
    assert 1e-4 < low < 1e-3
    assert colour_range(before * 0, after.round(), blocks) == pytest.approx((1e-5, 1))
    assert colour_range(np.zeros((4, 4)), np.zeros((4, 4)), blocks)[0] > 0


def test_labels_say_dimension_copies_type_and_what_is_not_irreducible() -> None:
    kinds = [
        block(0, 2, 3, type="C"),
        block(6, 3, verdict="reducible-indecomposable", flag=[2, 3]),
        block(9, 4, verdict="unresolved", type=None),
    ]
    assert [text for _, text in block_labels(kinds, 9)] == ["2 × 3 C", "3 × 1 R ◥", "4 × 1 ?"]
    assert [centre for centre, _ in block_labels(kinds, 9)] == [3, 7.5, 11]


def test_equal_neighbours_share_a_label_and_the_smallest_are_counted_where_there_are_too_many() -> None:
    assert [text for _, text in block_labels(row((1, 1), (1, 1), *[(2, 1)] * 31), 11)] == ["2: 1 × 1 R", "31: 2 × 1 R"]
    harmonics = row(*[(2 * degree + 1, 1) for degree in range(16)])
    labels = [text for _, text in block_labels(harmonics, 11)]
    assert labels == ["+ 6 more", *(f"{2 * degree + 1} × 1 R" for degree in range(6, 16))]


def test_labels_stay_apart_and_beside_the_picture() -> None:
    blocks = row(*[(1 + index, 1) for index in range(8)], (100, 1))
    svg = block_picture(*picture(blocks), blocks).svg
    heights = [float(y) for y in re.findall(r'x="27\d[\d.]*" y="([\d.]+)"', svg)]
    assert len(heights) == len(blocks)
    assert min(np.diff(heights)) > 9
    assert TOP < min(heights)
    assert max(heights) < TOP + SIDE + 5


@given(st.integers(1, 40), st.integers(1, 12))
def test_pooling_keeps_the_mean_square_of_what_a_cell_covers(size: int, most: int) -> None:
    values = np.random.default_rng(size).uniform(0, 1, (size, size))
    pooled = pool(values, most)
    assert len(pooled) <= most or size <= most
    factor = -(-size // most)
    np.testing.assert_allclose(pooled[0, 0] ** 2, (values[:factor, :factor] ** 2).mean())
    np.testing.assert_allclose(
        pooled[-1, -1] ** 2, (values[-((size - 1) % factor + 1) :, -((size - 1) % factor + 1) :] ** 2).mean()
    )
