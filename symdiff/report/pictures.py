"""The image grids of a report: a trajectory strip, reconstructions, and latent traversals."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from symdiff.report.images import ImageGrid, image_grid
from symdiff.report.notation import number
from symdiff.report.rundata import RunData

COLUMNS = 7
"""Of longer sequences every second, third, ... observation is shown."""


def pictures(run: RunData) -> dict[str, list[ImageGrid]]:
    """All pictures the run has images for, each of one or more panels: strip, reconstructions, traversals."""
    drawn = {"strip": strip(run), "reconstructions": reconstructions(run), "traversals": traversals(run)}
    return {name: panels for name, panels in drawn.items() if panels}


def strip(run: RunData) -> list[ImageGrid]:
    """A few trajectories from noise to image, one a row."""
    images = run.array("strip", 5)
    if images is None:
        return []
    labels = _labels(run.array("strip_alpha_bar", 1), images.shape[1], digits=1)
    count, times = images.shape[:2]
    if "absent" in run.result.process:
        told = f"{count} observed sequences, {times} observations each."
    else:
        told = f"{count} trajectories, each at {times} times from pure noise to the image."
    return [image_grid(images, told, labels)]


def reconstructions(run: RunData) -> list[ImageGrid]:
    """Recorded observations above what is decoded from the latents predicted by the actions."""
    observed = run.array("reconstruction_observations", 5)
    predicted = run.array("reconstruction_predictions", 5)
    if observed is None or predicted is None or observed.shape != predicted.shape:
        return []
    count, length = observed.shape[:2]
    times = range(0, length, max(1, -(-(length - 1) // (COLUMNS - 1))))
    pairs = np.stack([observed[:, times], predicted[:, times]], axis=1).reshape(-1, len(times), *observed.shape[2:])
    alt = f"{count} held-out sequences of {length} observations, each above its reconstruction."
    return [image_grid(pairs, alt, [str(step) for step in times], ["o", "ô"] * count)]


def traversals(run: RunData) -> list[ImageGrid]:
    """What the decoder shows as the latent is moved within one block, one direction a row."""
    images = run.array("traversals", 5)
    if images is None:
        return []
    labels = _labels(run.array("traversal_values", 1), images.shape[1])
    count, points = images.shape[:2]
    rows = _block_labels(run.array("traversal_blocks", 1), count)
    # Two panels beside each other are as high as the reconstructions next to them.
    half = -(-count // 2)
    return [
        image_grid(
            images[start : start + half],
            f"Decoded images along latent blocks {', '.join(rows[start : start + half])}, {points} points each.",
            labels,
            rows[start : start + half],
        )
        for start in range(0, count, half)
    ]


def _block_labels(blocks: NDArray[np.float64] | None, count: int) -> list[str]:
    """The block of every row, with a letter where it has several; 1, 2, 3, ... if that is not recorded."""
    numbers = [int(block) for block in blocks] if blocks is not None and blocks.size == count else range(1, count + 1)
    total, seen, labels = Counter(numbers), Counter[int](), []
    for block in numbers:
        labels.append(f"{block}{chr(ord('a') + seen[block])}" if total[block] > 1 else str(block))
        seen[block] += 1
    return labels


def _labels(values: NDArray[np.float64] | None, columns: int, digits: int = 2) -> list[str]:
    """One number a column, of few digits so that it fits on a phone; none if their count is not that of the columns."""
    return [number(value, digits) for value in values] if values is not None and values.size == columns else []
