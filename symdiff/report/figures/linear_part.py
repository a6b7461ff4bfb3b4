"""Figures of the local linear part: spectrum, effective rank and asymmetry of the Jacobian, commutators over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from symdiff.report.canvas import MUTED, RULE, SERIES, WIDTH, Plate, draw, draw_figure, scale
from symdiff.report.figures.heatmap import PAGE, colour_bar, place_axes, shade
from symdiff.report.figures.levels import TIME, forward, of_levels, spread
from symdiff.report.notation import number

HEIGHT, LEFT, TOP, SIDE = 236, 44, 10, 166
"""Layout of the heat map in CSS pixels."""

DECADES = 3
"""Range of its colours below the largest commutator, or below what unrelated bases would give."""

TICKS = 5

SHOWN = 8
"""Eigenvalues drawn."""

ZERO = 1e-9
"""An eigenvalue or commutator below this is rounding."""

LEAST = 0.05
"""Smallest range of an axis from 0: what is zero up to rounding is drawn as zero."""


def jacobian_spectrum(process: Mapping[str, Any]) -> Plate | None:
    """The leading eigenvalues of the Jacobian over time, mean and range over states."""
    levels = [level for level in _levels(process) if level.get("eigenvalues")]
    if not levels:
        return None
    count = min(SHOWN, *(len(level["eigenvalues"]) for level in levels))
    t = np.array([level["timestep"] for level in levels], dtype=np.float64)
    value, low, high = (
        np.array([(level.get(key) or level["eigenvalues"])[:count] for level in levels], dtype=np.float64)
        for key in ("eigenvalues", "eigenvalues_low", "eigenvalues_high")
    )

    drawn = np.where(value > ZERO, value, np.nan)

    def plot(axes: Axes) -> None:
        for k in range(count):
            edge = k in (0, count - 1)
            colour = SERIES[0] if k == 0 else SERIES[1]
            if edge:
                axes.fill_between(t, low[:, k], high[:, k], color=colour, alpha=0.18, linewidth=0)
            label = "largest" if k == 0 else f"number 2 … {count}" if k == 1 else None
            axes.plot(t, drawn[:, k], color=colour, linewidth=1.6 if edge else 0.8, label=label)
        scale(axes, [drawn], decades=0.0)
        forward(axes)

    return Plate(
        "jacobian-spectrum",
        "Spectrum of the Jacobian",
        f"The {count} largest eigenvalues of ∂x̂₀/∂x: mean over states, with the band of the first and the last of "
        "them. An eigenvalue of 1 hands a change of the state on to the image.",
        draw("jacobian-spectrum", plot, "eigenvalue", TIME),
        f"Largest eigenvalue between {spread(value[:, 0])}; number {count} between {spread(value[:, -1])}.",
    )


def effective_rank(process: Mapping[str, Any]) -> Plate | None:
    """Effective rank of the Jacobian over time."""
    dimension = (process.get("linear_part") or {}).get("dimension")
    return _curve(
        process,
        "effective_rank",
        "effective-rank",
        "Effective rank of the Jacobian",
        f"In how many of {number(dimension)} directions the estimate x̂₀ follows the state, with interval over states.",
        "effective rank",
    )


def symmetry_defect(process: Mapping[str, Any]) -> Plate | None:
    """Asymmetry of the Jacobian over time."""
    return _curve(
        process,
        "symmetry_defect",
        "symmetry-defect",
        "Asymmetry of the Jacobian",
        "‖J − Jᵀ‖ relative to ‖J‖ of J = ∂x̂₀/∂x: 0 for an optimal denoiser, whose Jacobian is a covariance.",
        "‖J − Jᵀ‖/‖J‖",
    )


def commutators(process: Mapping[str, Any]) -> Plate | None:
    """Commutators of the linear parts at every pair of levels, as a heat map."""
    found = (process.get("linear_part") or {}).get("commutators") or {}
    matrix = np.abs(np.array(found.get("matrix") or [], dtype=np.float64))
    times = found.get("timesteps") or []
    if matrix.ndim != 2 or matrix.shape != (len(times), len(times)) or not np.isfinite(matrix).any():
        return None
    top = float(np.nanmax(matrix))
    top = top if top > ZERO else 1.0  # rounding is not to be drawn in full colour
    limits = (top * 10.0**-DECADES, top)

    def compose(figure: Figure) -> None:
        axes = place_axes(figure, LEFT, TOP, SIDE, SIDE)
        axes.imshow(shade(matrix, limits, None), extent=(0, len(times), len(times), 0), interpolation="none")
        for spine in axes.spines.values():
            spine.set(visible=True, color=RULE, linewidth=0.7)
        shown = sorted({round(k * (len(times) - 1) / (TICKS - 1)) for k in range(TICKS)})
        labels = [number(times[index]) for index in shown]
        axes.set_xticks([index + 0.5 for index in shown], labels, color=MUTED, fontsize=9.5)
        axes.set_yticks([index + 0.5 for index in shown], labels, color=MUTED, fontsize=9.5)
        axes.tick_params(length=2.5, pad=2, color=MUTED)
        below = (LEFT + SIDE / 2) / WIDTH, 1 - (TOP + SIDE + 30) / HEIGHT
        figure.text(*below, "t", color=MUTED, ha="center", fontsize=11)
        colour_bar(place_axes(figure, LEFT + SIDE + 24, TOP + 12, WIDTH - LEFT - SIDE - 44, 7), limits, PAGE)
        where = (LEFT + SIDE + 24) / WIDTH, 1 - (TOP + 46) / HEIGHT
        figure.text(*where, "relative ‖AB − BA‖", color=MUTED, fontsize=9.5, va="top")

    return Plate(
        "commutators",
        "Commutators of the linear parts",
        "Commutators of the traceless linear parts at every pair of levels, relative to the two products they are the "
        f"difference of; transparent is {number(limits[0], 1)} and less.{_null(process)}",
        draw_figure("commutators", compose, HEIGHT),
        f"Heat map of {len(times)} × {len(times)} commutators between {spread(_off_diagonal(matrix))}.",
    )


def _null(process: Mapping[str, Any]) -> str:
    nulls = [level["commutator_null"] for level in _levels(process) if level.get("commutator_null") is not None]
    return f" In unrelated bases they would be {number(max(nulls))}." if nulls else ""


def _curve(process: Mapping[str, Any], key: str, name: str, title: str, caption: str, ylabel: str) -> Plate | None:
    found = of_levels(_levels(process), key)
    if found is None:
        return None
    t, value, low, high = found

    def plot(axes: Axes) -> None:
        axes.fill_between(t, low, high, color=SERIES[0], alpha=0.18, linewidth=0)
        axes.plot(t, value, marker="o", markersize=3.5, color=SERIES[0])
        axes.set_ylim(0, max(axes.get_ylim()[1], LEAST))
        axes.locator_params(axis="y", nbins=5)
        forward(axes)

    return Plate(name, title, caption, draw(name, plot, ylabel, TIME), f"{title} between {spread(value)}.")


def _levels(process: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((process.get("linear_part") or {}).get("levels") or ())


def _off_diagonal(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """All entries but those of a level with itself, unless there are no others."""
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    return off if off.size and np.isfinite(off).any() else matrix.ravel()
