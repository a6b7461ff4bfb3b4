"""Grids of small images as pixelated PNG data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image

BUDGET = 140_000
"""Bytes of one PNG above which its cells are made smaller: pure noise does not compress, and a page has several."""

CELL = 32
"""Cells narrower than this are enlarged by a whole factor, so that the gaps can be thinner than a pixel."""

WIDEST_CELL = 84
"""Widest that one image is shown, in CSS pixels."""


@dataclass(frozen=True)
class ImageGrid:
    """A picture of ``rows x columns`` images with what is needed to label it.

    Attributes
    ----------
    uri
        ``data:image/png;base64,...``.
    width, height
        Size of the picture in its own pixels.
    alt
        Text for those who do not see it.
    column_labels, row_labels
        One text a column and a row; may be empty.
    max_width
        Width in CSS pixels beyond which enlarging it only shows bigger squares.
    """

    uri: str
    width: int
    height: int
    alt: str
    column_labels: Sequence[str] = ()
    row_labels: Sequence[str] = ()
    max_width: int = 0


def image_grid(
    images: Float[NDArray[Any], "rows columns c h w"],
    alt: str,
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    low: float = -1.0,
    high: float = 1.0,
) -> ImageGrid:
    """Tile images into one PNG with transparent gaps.

    Parameters
    ----------
    images
        ``[rows, columns, C, H, W]`` with values in ``[low, high]`` (beyond it they are cut off). Three channels
        are shown as RGB; of any other number the first is shown as gray.
    alt, column_labels, row_labels
        See `ImageGrid`.
    low, high
        The values shown as black and as white.
    """
    channels = images if images.shape[2] == 3 else images[:, :, :1]
    scaled = (np.nan_to_num(channels, nan=low, posinf=high, neginf=low) - low) / (high - low)
    levels = np.moveaxis(np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8), 2, -1)
    if levels.shape[3] < CELL:
        factor = -(-CELL // levels.shape[3])
        levels = levels.repeat(factor, axis=2).repeat(factor, axis=3)
    picture = _tile(levels)
    png = _encode(picture)
    while len(png) > BUDGET and min(levels.shape[2:4]) >= 2:
        levels = _halve(levels)
        picture = _tile(levels)
        png = _encode(picture)
    uri = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    widest = round(images.shape[1] * WIDEST_CELL)
    return ImageGrid(uri, picture.width, picture.height, alt, list(column_labels), list(row_labels), widest)


def _tile(levels: UInt8[NDArray[Any], "rows columns h w c"]) -> Image.Image:
    """Lay the cells out with half a gap on every side, so that equal columns of text line up with them."""
    rows, columns, h, w, c = levels.shape
    half = max(1, w // 20)
    canvas = np.zeros((rows, columns, h + 2 * half, w + 2 * half, c + 1), np.uint8)
    canvas[:, :, half : half + h, half : half + w, :c] = levels
    canvas[:, :, half : half + h, half : half + w, c] = 255
    sheet = canvas.transpose(0, 2, 1, 3, 4).reshape(rows * (h + 2 * half), columns * (w + 2 * half), c + 1)
    return Image.fromarray(sheet)


def _halve(levels: UInt8[NDArray[Any], "rows columns h w c"]) -> UInt8[NDArray[Any], "rows columns h2 w2 c"]:
    """Average squares of four pixels."""
    rows, columns, h, w, c = levels.shape
    even = levels[:, :, : h - h % 2, : w - w % 2].reshape(rows, columns, h // 2, 2, w // 2, 2, c)
    halved: NDArray[np.uint8] = np.rint(even.mean(axis=(3, 5))).astype(np.uint8)
    return halved


def _encode(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
