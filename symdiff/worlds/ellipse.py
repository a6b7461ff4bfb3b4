"""One ellipse on a square grid that wraps round: as if the image were a torus."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symdiff.worlds.base import SIZE

LONG, SHORT = 10.0, 7.0
"""Semi-axes in pixels: it covers 21% of the image, so that the best constant image costs about 530 nats."""

SUBPIXELS = 8


@cache
def turned_ellipses(count: int, smooth: bool) -> NDArray[np.float64]:
    """Ellipses about the pixel (0, 0), turned by ``pi k / count`` for k = 0 ... count - 1; values in [0, 1].

    Half a turn brings an ellipse back to itself, so that these are evenly spread over all there are.

    Parameters
    ----------
    count
        Number of orientations.
    smooth
        Anti-aliased (the covered share of every pixel, from 8 x 8 points) rather than binary (its centre).

    Returns
    -------
    NDArray
        ``[count, 32, 32]``, read-only.
    """
    inside = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5 if smooth else np.zeros(1)
    along = (np.arange(SIZE)[:, None] + inside).ravel()
    along = (along + SIZE / 2) % SIZE - SIZE / 2  # the nearest of all copies
    y, x = np.meshgrid(along, along, indexing="ij")
    angle = (np.pi * np.arange(count) / count)[:, None, None]
    u = (x * np.cos(angle) + y * np.sin(angle)) / LONG
    v = (y * np.cos(angle) - x * np.sin(angle)) / SHORT
    covered = (u**2 + v**2 <= 1).astype(np.float64)
    points = len(inside)
    images: NDArray[np.float64] = covered.reshape(count, SIZE, points, SIZE, points).mean((2, 4))
    images.flags.writeable = False
    return images


def placed(images: NDArray[np.float64], x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """`images` ``[n, 32, 32]`` moved by `x` pixels to the right and `y` down ``[n]``, round the edges."""
    rows = (np.arange(SIZE) - y[:, None]) % SIZE
    columns = (np.arange(SIZE) - x[:, None]) % SIZE
    moved: NDArray[np.float64] = images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def as_bytes(images: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values in [0, 1] as 0 ... 255."""
    levels: NDArray[np.uint8] = np.rint(images * 255).astype(np.uint8)
    return levels
