"""The block picture: what a set of matrices looks like before and after the change of basis a decomposition found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from symdiff.report.canvas import WIDTH, Plate, draw_figure, render
from symdiff.report.figures.heatmap import PAGE, SHEET, Palette, colour_bar, place_axes, pool, shade

HEIGHT = 198
SIDE, TOP = 128, 26
LEFT = (3, 137)
"""Layout in CSS pixels: side and upper edge of the two pictures, and where each begins."""

LINE = 11.5
"""Height of a label; more labels than fit beside the picture are summed up."""

FEWEST_DECADES, MOST_DECADES = 2.0, 5.0
"""Range of the colours: down to the entries outside the blocks, within these limits."""

INSET = 12
"""How much shorter than a picture the colour bar is on either side, for the labels at its ends."""

CELLS = 192
"""Cells of a picture on a page, more being pooled: a side is shown no larger than this."""

INDECOMPOSABLE = "◥"
"""Beside the label of a block that is reducible but indecomposable: the shape of its matrices."""


def block_picture(
    before: Float[NDArray[Any], "m m"],
    after: Float[NDArray[Any], "m m"],
    blocks: Sequence[Mapping[str, Any]],
    name: str = "block-structure",
) -> Plate:
    """The figure for a page.

    Parameters
    ----------
    before, after
        Mean magnitude of the entries (`mean_magnitude`) in the given basis and in the one found.
    blocks
        One mapping an equivalence class, as in `Decomposition.to_dict`: ``dim``, ``multiplicity``, ``type``,
        ``verdict``, ``columns`` and, where there is one, ``flag``.
    name
        Identifier, unique on the page.
    """
    pooled = pool(before, CELLS), pool(after, CELLS)
    labels = [text for _, text in block_labels(blocks, len(blocks) + 1)]
    return Plate(
        name,
        "Block structure",
        "Root mean square of every entry of ρ over the matrices, in the given basis (left) and the one found (right). "
        f"Labels: dimension × copies, type (R real, C complex, H quaternionic, ? not resolved); {INDECOMPOSABLE} marks "
        "blocks that are reducible but indecomposable.",
        draw_figure(name, lambda figure: _compose(figure, *pooled, after, blocks, PAGE), HEIGHT),
        f"Two {len(after)} × {len(after)} heat maps; the right one shows {', '.join(labels) or 'no blocks'}.",
    )


def block_picture_file(
    before: Float[NDArray[Any], "m m"],
    after: Float[NDArray[Any], "m m"],
    blocks: Sequence[Mapping[str, Any]],
    kind: str,
) -> bytes:
    """The same picture as the bytes of an ``svg`` or ``png`` file that needs no page around it."""
    return render(lambda figure: _compose(figure, before, after, after, blocks, SHEET), kind, HEIGHT)


def block_labels(blocks: Sequence[Mapping[str, Any]], most: int) -> list[tuple[float, str]]:
    """Where each label belongs (in columns of the basis) and what it says, equal neighbours in one label.

    Where there are more than `most`, those of the smallest blocks are left out and their number is said.
    """
    found = []
    placed = [(_extent(block), _label(block)) for block in blocks]
    for text, run in groupby(placed, key=lambda item: item[1]):
        extents = [extent for extent, _ in run]
        low, high = min(first for first, _ in extents), max(last for _, last in extents)
        found.append((high - low, (low + high) / 2, text if len(extents) == 1 else f"{len(extents)}: {text}"))
    if len(found) > most:
        widest = sorted(range(len(found)), key=lambda index: (-found[index][0], index))
        kept, left = sorted(widest[: most - 1]), widest[most - 1 :]
        centre = float(np.mean([found[index][1] for index in left]))
        found = [found[index] for index in kept] + [(0.0, centre, f"+ {len(left)} more")]
    return sorted((centre, text) for _, centre, text in found)


def _label(block: Mapping[str, Any]) -> str:
    mark = {"reducible-indecomposable": f" {INDECOMPOSABLE}", "unresolved": " ?"}.get(block["verdict"], "")
    kind = block["type"] or ("" if mark == " ?" else "?")
    return f"{block['dim']} × {block['multiplicity']} {kind}".rstrip() + mark


def _extent(block: Mapping[str, Any]) -> tuple[float, float]:
    columns = [edge for pair in block["columns"] for edge in pair]
    return float(min(columns)), float(max(columns))


# --- drawing ----------------------------------------------------------------------------------


def _compose(
    figure: Figure,
    before: Float[NDArray[Any], "n n"],
    after: Float[NDArray[Any], "n n"],
    whole: Float[NDArray[Any], "m m"],
    blocks: Sequence[Mapping[str, Any]],
    palette: Palette,
) -> None:
    """Lay out both pictures, the labels and the colour bar; `before` and `after` may be pooled, `whole` is not."""
    if palette.paper is not None:
        figure.patch.set_visible(True)
        figure.set_facecolor(palette.paper)
    size = len(whole)
    limits = colour_range(before, whole, blocks)
    for left, picture, title in zip(LEFT, (before, after), ("as given", "in the basis found"), strict=True):
        axes = place_axes(figure, left, TOP, SIDE, SIDE)
        cell = -(-size // len(picture))
        edge = cell * len(picture)
        smooth = len(picture) > 2 * SIDE and palette.paper is not None
        image = shade(picture, limits, palette.paper)
        axes.imshow(image, extent=(0, edge, edge, 0), interpolation="auto" if smooth else "none")
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        for spine in axes.spines.values():
            spine.set(visible=True, color=palette.rule, linewidth=0.7)
        figure.text(left / WIDTH, 1 - (TOP - 7) / HEIGHT, title, color=palette.muted, fontsize=10.5)
    _outline(axes, blocks, size, palette)
    _write_labels(figure, blocks, size, palette)
    colour_bar(place_axes(figure, LEFT[0] + INSET, TOP + SIDE + 14, SIDE - 2 * INSET, 7), limits, palette)
    lines = ["root mean square over the matrices"]
    if palette.paper is not None:  # on a page the caption says so
        lines.append("labels: dimension × copies, type")
        if any(block["verdict"] == "reducible-indecomposable" for block in blocks):
            lines.append(f"{INDECOMPOSABLE} reducible but indecomposable")
    for index, line in enumerate(lines):
        y = TOP + SIDE + (17.5 if len(lines) == 1 else 12.5 + 12 * index)
        where = LEFT[1] / WIDTH, 1 - y / HEIGHT
        figure.text(*where, line, color=palette.muted, fontsize=9.5, va="center")


def colour_range(
    before: Float[NDArray[Any], "n n"], after: Float[NDArray[Any], "m m"], blocks: Sequence[Mapping[str, Any]]
) -> tuple[float, float]:
    """Magnitudes drawn fully transparent and fully coloured: from a third of the off-block median to the largest."""
    inside = np.zeros(after.shape, dtype=bool)
    for block in blocks:
        for first, last in block["columns"]:
            inside[first:last, first:last] = True
    finite = [float(part[np.isfinite(part)].max(initial=0.0)) for part in (before, after)]
    top = max([*finite, float(np.finfo(float).tiny)])
    outside = after[~inside & np.isfinite(after)]
    floor = float(np.median(outside)) / 3 if outside.size else top * 10**-FEWEST_DECADES
    return float(np.clip(floor, top * 10**-MOST_DECADES, top * 10**-FEWEST_DECADES)), top


def _outline(axes: Axes, blocks: Sequence[Mapping[str, Any]], size: int, palette: Palette) -> None:
    """Outline every copy; a flag makes its outline a staircase. Copies too small to see share one outline."""
    for block in blocks:
        dashes = (0, (3, 2)) if block["verdict"] == "unresolved" else "solid"
        copies = [(int(first), int(last)) for first, last in block["columns"]]
        small = block["dim"] * SIDE / size < 4
        for first, last in [(min(c[0] for c in copies), max(c[1] for c in copies))] if small else copies:
            steps = [last - first] if small else list(block.get("flag") or [last - first])
            corners = [(first, first), (last, first)]
            edges = [first, *(first + step for step in steps)]
            # Columns of the first subspace stay within its rows: the corner below each step is empty.
            for left, right in reversed(list(pairwise(edges))):
                corners += [(right, right), (left, right)]
            width = float(np.clip((last - first) * SIDE / size / 12, 0.4, 1.0))
            style: dict[str, Any] = {"edgecolor": palette.ink, "linewidth": width, "linestyle": dashes}
            axes.add_patch(Polygon(corners, fill=False, clip_on=False, zorder=4, **style))


def _write_labels(figure: Figure, blocks: Sequence[Mapping[str, Any]], size: int, palette: Palette) -> None:
    """Write the labels to the right of the picture at the height of their blocks, apart from each other."""
    labels = block_labels(blocks, int(SIDE / LINE))
    wanted = [TOP + centre * SIDE / size for centre, _ in labels]
    at: list[float] = []
    for y in wanted:
        at.append(max(y, at[-1] + LINE) if at else max(y, TOP + LINE / 2))
    bottom = TOP + SIDE - LINE / 2
    for index in reversed(range(len(at))):
        at[index] = min(at[index], bottom)
        bottom = at[index] - LINE
    right = LEFT[1] + SIDE
    leaders = place_axes(figure, right, TOP, 10, SIDE)
    leaders.set_axis_off()
    leaders.set_xlim(0, 10)
    leaders.set_ylim(TOP + SIDE, TOP)
    for y, goal, (_, text) in zip(at, wanted, labels, strict=True):
        leaders.plot([1.5, 4, 8], [goal, goal, y], color=palette.muted, linewidth=0.5, clip_on=False)
        figure.text((right + 10) / WIDTH, 1 - y / HEIGHT, text, color=palette.ink, fontsize=9.5, va="center_baseline")
