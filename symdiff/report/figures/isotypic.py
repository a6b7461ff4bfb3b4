"""The isotypic spectrum drawn: stacked shares of every irrep along the process, against those of white noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from symdiff.report.canvas import INK, MUTED, PAPER, WIDTH, Plate, draw_figure
from symdiff.report.figures.heatmap import SHADE, place_axes
from symdiff.report.figures.levels import TIME
from symdiff.report.notation import number, setting

BANDS = 8
"""Components drawn; the smallest of more are one band."""

HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 372, 30, 68, 22, 36, 32
"""Layout in CSS pixels; names stand at the right."""

LEGIBLE = 0.045
"""Least share of a band that has room for its name."""

PANELS = {"state": "state x", "denoised": "denoised image x̂₀"}

OTHERS = "others"


class Bands(NamedTuple):
    """Shares ``[level, band]`` by name, and those of white noise."""

    names: list[str]
    shares: dict[str, NDArray[np.float64]]
    noise: NDArray[np.float64]
    timestep: NDArray[np.float64]


def isotypic_spectrum(process: Mapping[str, Any]) -> Plate | None:
    """Shares of energy of the state and of x0hat in every isotypic component, stacked, over time."""
    bands = _bands((process.get("equivariance") or {}).get("isotypic") or {})
    if bands is None:
        return None

    def compose(figure: Figure) -> None:
        height = (HEIGHT - TOP - BOTTOM - GAP) // len(PANELS)
        for row, (key, title) in enumerate(PANELS.items()):
            axes = place_axes(figure, LEFT, TOP + row * (height + GAP), WIDTH - LEFT - RIGHT, height)
            _panel(axes, bands, bands.shares[key], title)
        first, last = bands.timestep.max(), bands.timestep.min()
        ticks = [float(tick) for tick in MaxNLocator(5).tick_values(last, first) if last <= tick <= first]
        axes.set_xticks(ticks, [setting(tick) for tick in ticks], fontsize=10.5)
        axes.tick_params(axis="x", length=3, pad=3, color=MUTED)
        axes.set_xlabel(TIME)

    end = {name: share for name, share in zip(bands.names, bands.shares["denoised"][-1], strict=True)}
    return Plate(
        "isotypic-spectrum",
        "Isotypic spectrum",
        "Share of the energy in every irrep of the group, stacked, from noise at the left to the image at the right: "
        "of the state, and of the denoised image. Dashed: where the borders would lie for white noise, which has of "
        "every component its share of the dimensions. An invariant law has its mean in the trivial one.",
        draw_figure("isotypic-spectrum", compose, HEIGHT),
        "Shares of x̂₀ at the end: " + ", ".join(f"{name} {number(share, 2)}" for name, share in end.items()) + ".",
    )


def _panel(axes: Axes, bands: Bands, shares: Float[NDArray[Any], "levels bands"], title: str) -> None:
    t, borders = bands.timestep, np.cumsum(np.c_[np.zeros(len(shares)), shares], axis=1)
    count = len(bands.names)
    for k in range(count):
        opacity = 0.95 - 0.83 * k / max(count - 1, 1)
        axes.fill_between(t, borders[:, k], borders[:, k + 1], color=SHADE, alpha=opacity, linewidth=0)
        if k:
            axes.plot(t, borders[:, k], color=PAPER, linewidth=1.1)
            axes.axhline(bands.noise[:k].sum(), color=INK, linewidth=0.7, linestyle=(0, (3, 2)))
    axes.set(xlim=(t.max(), t.min()), ylim=(0, 1))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], fontsize=10.5)
    axes.tick_params(axis="y", length=0, pad=4)
    axes.set_title(title, loc="left", fontsize=11, color=MUTED, pad=5)
    for k, name in enumerate(bands.names):
        if shares[-1, k] >= LEGIBLE:
            middle = (borders[-1, k] + borders[-1, k + 1]) / 2
            text = f"{name}: {shares[-1, k]:.0%}"
            axes.annotate(text, (1, middle), (5, 0), "axes fraction", "offset points", va="center", fontsize=9.5)


def _bands(isotypic: Mapping[str, Any]) -> Bands | None:
    levels = list(isotypic.get("levels") or ())
    if len(levels) < 2:
        return None
    names = [part["name"] for part in isotypic["components"]]
    noise = np.array([part["noise_share"] for part in isotypic["components"]], dtype=np.float64)
    shares = {
        key: np.array([[(level[key][name] or {}).get("value") or 0.0 for name in names] for level in levels])
        for key in PANELS
    }
    t = np.array([level["timestep"] for level in levels], dtype=np.float64)
    if len(names) > BANDS:
        largest = np.max([share.max(0) for share in shares.values()], axis=0)
        kept = np.sort(np.argsort(-largest)[: BANDS - 1])
        left = np.setdiff1d(np.arange(len(names)), kept)
        names = [*(names[k] for k in kept), OTHERS]
        shares = {key: np.c_[share[:, kept], share[:, left].sum(1)] for key, share in shares.items()}
        noise = np.r_[noise[kept], noise[left].sum()]
    return Bands(names, shares, noise, t)
