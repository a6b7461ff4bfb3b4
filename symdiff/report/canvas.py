"""Drawing one small figure as inline SVG whose colours follow the page, light or dark.

Matplotlib cannot draw in CSS variables, so figures are drawn in placeholder colours that are replaced afterwards.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from symdiff.report.notation import setting

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#0a0a0a", "#0b0b0b", "#0c0c0c", "#0d0d0d", "#0e0e0e")
"""Placeholders: the page's own text, secondary text, rules, background, and the colours of data."""

_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"}
_VARIABLES |= {colour: f"--series-{index}" for index, colour in enumerate(SERIES)}

WIDTH, HEIGHT = 344, 236
"""Size in CSS pixels: the width of a phone, so that text in a figure is never scaled down."""

RESOLUTION = 288
"""Dots per inch of a ``png``: four for every CSS pixel."""

LEGEND = 50
"""Characters that fit into one row of the legend, a handle counting as four."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "axes.formatter.useoffset": False,
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "xtick.major.width": 0.7,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Plate:
    """A finished figure.

    Attributes
    ----------
    name
        Identifier, unique on the page.
    title, caption
        What is shown, and how to read it.
    svg
        The drawing, without outside references.
    alt
        Its content in words.
    """

    name: str
    title: str
    caption: str
    svg: str
    alt: str


def draw(name: str, plot: Callable[[Axes], None], ylabel: str, xlabel: str) -> str:
    """Draw one set of axes and return it as SVG markup for a page.

    Parameters
    ----------
    name
        Prefix of every identifier in the markup, unique on the page.
    plot
        Draws the data; labelled artists appear in a legend above the axes.
    ylabel, xlabel
        Axis labels; the vertical one is set flat above the axis.
    """

    def compose(figure: Figure) -> None:
        axes = figure.add_axes((0.125, 0.175, 0.86, 0.715))
        axes.patch.set_visible(False)
        axes.spines["left"].set_visible(False)
        plot(axes)
        axes.set_xlabel(xlabel)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            columns = len(labels) if sum(map(len, labels)) + 4 * len(labels) <= LEGEND else 3
            rows = -(-len(labels) // columns)
            axes.set_position((0.125, 0.175, 0.86, 0.715 - 0.08 * rows))
            axes.legend(
                handles,
                labels,
                loc="lower left",
                bbox_to_anchor=(-0.02, 1.005),
                ncols=columns,
                handlelength=1.5,
                handletextpad=0.5,
                columnspacing=1.2,
                borderaxespad=0.1,
            )
        figure.text(0.012, 0.975, ylabel, color=MUTED, va="top", fontsize=11)

    return draw_figure(name, compose)


def draw_figure(name: str, compose: Callable[[Figure], None], height: int = HEIGHT) -> str:
    """Draw a figure of any layout and return it as SVG markup for a page.

    Parameters
    ----------
    name
        Prefix of every identifier in the markup, unique on the page.
    compose
        Draws on an empty, transparent figure of ``WIDTH x height`` points, in the placeholder colours.
    height
        Height in CSS pixels.
    """
    body = render(compose, "svg", height, salt=name).decode()
    return _inline(body, name, height)


def render(compose: Callable[[Figure], None], kind: str, height: int = HEIGHT, salt: str = "symdiff") -> bytes:
    """Draw a figure as the bytes of an ``svg`` or ``png`` file, the same for the same content.

    Parameters
    ----------
    compose, height
        As for `draw_figure`.
    salt
        What makes identifiers of an ``svg`` a function of the content alone.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        figure.patch.set_visible(False)
        compose(figure)
        stamps = ("Date", "Creator", "Format", "Type") if kind == "svg" else ("Software",)
        resolution = RESOLUTION if kind == "png" else "figure"
        figure.savefig(buffer, format=kind, dpi=resolution, metadata=dict.fromkeys(stamps))
    return buffer.getvalue()


def scale(axes: Axes, values: Iterable[Float[NDArray[Any], "..."]], decades: float = 1.3) -> None:
    """Give the vertical axis a logarithmic scale if its positive values span `decades` or more.

    With ``decades = 0`` it is logarithmic whatever the values, and shows at least two decades, so that noise
    on a flat curve does not look like a trend.
    """
    every = np.concatenate([np.ravel(value) for value in values])
    positive = every[np.isfinite(every) & (every > 0)]
    span = float(np.log10(positive.max() / positive.min())) if positive.size else 0.0
    if span < decades or not positive.size:
        axes.locator_params(axis="y", nbins=5)
        return
    axes.set_yscale("log", nonpositive="mask")
    axes.yaxis.set_major_locator(LogLocator(numticks=6) if span > 2 or decades == 0 else LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: setting(value)))
    if decades == 0 and span < 2:
        centre = float(np.sqrt(positive.min() * positive.max()))
        axes.set_ylim(centre / 12, centre * 12)


def _inline(svg: str, name: str, height: int) -> str:
    """Strip what a page does not need, make identifiers unique, and hand the colours to the style sheet."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<g id=\"[^\"]*\"\s*/>|<defs>\s*</defs>", "", body)
    referenced = set(re.findall(r"(?:href=\"|url\()#([\w.-]+)", body))
    body = re.sub(r" id=\"([^\"]*)\"", lambda m: f' id="{name}-{m[1]}"' if m[1] in referenced else "", body)
    body = re.sub(r"(href=\"|url\()#", rf"\1#{name}-", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r"font(-family)?: (?:[\d.]+px )?'[^;\"]*(;|(?=\"))", "", body)
    body = re.sub(r"transform=\"rotate\(-0 [^\"]*\"", "", body)
    body = re.sub(r"(#[0-9a-f]{6})", lambda m: f"var({_VARIABLES[m[1]]})" if m[1] in _VARIABLES else m[1], body)
    # An image is placed by a factor for each of its pixels: two digits of that would move its far edge.
    body = re.sub(r"<(?!image)[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    return re.sub(r"<svg[^>]*>", f'<svg viewBox="0 0 {WIDTH} {height}" aria-hidden="true">', body, count=1).strip()
