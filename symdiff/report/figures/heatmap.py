"""Heat maps of magnitudes over several decades, in one colour that reads on light and dark paper."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symdiff.report.canvas import INK, MUTED, RULE
from symdiff.report.notation import setting

LEVELS = 48
"""Steps of a colour. Noise of more steps does not compress, and nobody sees them."""

SHADE = to_rgb("#4a84bd")
"""Reads on light and dark paper alike, because weak entries are transparent rather than white."""


class Palette(NamedTuple):
    """Colours of text, secondary text, thin rules, and the background (``None``: transparent)."""

    ink: str
    muted: str
    rule: str
    paper: str | None


PAGE = Palette(INK, MUTED, RULE, None)
SHEET = Palette("#1c1b19", "#605d57", "#dedbd3", "#ffffff")
"""The light colours of a page, for a picture that stands alone."""


def place_axes(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
    """Axes without ticks, placed in CSS pixels from the upper left corner."""
    whole_width, whole_height = 72 * figure.get_size_inches()
    box = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    axes = figure.add_axes(box)
    axes.patch.set_visible(False)
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    return axes


def pool(picture: Float[NDArray[Any], "m m"], most: int) -> Float[NDArray[Any], "n n"]:
    """Root mean square over squares of entries, so that no side has more than `most` cells."""
    size = len(picture)
    factor = -(-size // most)
    if factor == 1:
        return picture
    cells = -(-size // factor)
    padded = np.full((cells * factor, cells * factor), np.nan)
    padded[:size, :size] = picture
    pooled: NDArray[np.float64] = np.sqrt(
        np.nanmean(np.square(padded.reshape(cells, factor, cells, factor)), axis=(1, 3))
    )
    return pooled


def shade(
    picture: Float[NDArray[Any], "rows columns"], limits: tuple[float, float], paper: str | None
) -> UInt8[NDArray[Any], "rows columns channels"]:
    """One colour whose opacity is the logarithm of the magnitude within `limits`, laid on `paper` if that is known."""
    low, high = np.log10(limits)
    with np.errstate(divide="ignore"):
        level = np.clip((np.log10(np.nan_to_num(picture)) - low) / (high - low), 0, 1)
    opacity = (np.rint(level * LEVELS) / LEVELS)[..., None]
    if paper is None:
        image = np.concatenate([np.broadcast_to(SHADE, (*picture.shape, 3)), opacity], -1)
    else:
        image = opacity * np.array(SHADE) + (1 - opacity) * np.array(to_rgb(paper))
    eight_bit: NDArray[np.uint8] = np.rint(255 * image).astype(np.uint8)
    return eight_bit


def colour_bar(axes: Axes, limits: tuple[float, float], palette: Palette) -> None:
    """Fill axes with the colours from the lower to the upper limit, and label powers of ten below them."""
    low, high = np.log10(limits)
    ramp = 10 ** np.linspace(low, high, LEVELS)[None, :]
    axes.imshow(shade(ramp, limits, palette.paper), extent=(low, high, 0, 1), aspect="auto", interpolation="none")
    for spine in axes.spines.values():
        spine.set(visible=True, color=palette.rule, linewidth=0.7)
    every = int(np.ceil((high - low) / 3))
    # From the top down, so that the largest magnitude is labelled.
    powers = range(int(np.floor(high)), int(np.ceil(low)) - 1, -every)
    axes.set_xticks(powers, [setting(10.0**power) for power in powers], color=palette.muted, fontsize=9.5)
    axes.tick_params(axis="x", length=2.5, pad=1.5, color=palette.muted)
