"""Figures of the elements of the run: their scalars in each gauge, and the size of their translations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import SERIES, Plate, draw, scale
from symdiff.report.figures.levels import TIME, forward, spread
from symdiff.report.rundata import RunData

_DASHES = {"v": "-", "eps": "--", "x0": "-."}

Scalars = list[tuple[str, NDArray[np.float64], str]]


def gauges(run: RunData) -> Plate | None:
    """The scalar a_t of every step in each gauge."""
    t = run.array("step_timestep", 1)
    curves = [
        (label, values, dash)
        for label, dash in _DASHES.items()
        if (values := run.array(f"gauge_{label}", 1)) is not None and t is not None and values.shape == t.shape
    ]
    return None if t is None or not curves else _gauges(t, curves)


def gauges_of(process: Mapping[str, Any]) -> Plate | None:
    """The same from the facts on the group in the document of a process."""
    group = process.get("group") or {}
    found = [(label, group[label]) for label in _DASHES if label in group]
    curves = [(label, np.array(facts["a"], dtype=np.float64), _DASHES[label]) for label, facts in found]
    curves = [curve for curve in curves if np.isfinite(curve[1]).any()]
    return None if not curves else _gauges(np.array(found[0][1]["timesteps"], dtype=np.float64), curves)


def _gauges(t: NDArray[np.float64], curves: Scalars) -> Plate:
    def plot(axes: Axes) -> None:
        for index, (label, values, dash) in enumerate(curves):
            axes.plot(t, values, dash, color=SERIES[index], label=f"gauge {label}")
        scale(axes, [values for _, values, _ in curves])
        forward(axes)

    singular = [label for label, values, _ in curves if (~np.isfinite(values) | (values == 0)).any()]
    outside = f" In gauge {' and '.join(singular)} a step has a = 0 or ∞: no group element." if singular else ""
    missing = [label for label in _DASHES if label not in {drawn for drawn, _, _ in curves}]
    outside += f" The sampler has no gauge {' and '.join(missing)}." if missing else ""
    return Plate(
        "gauges",
        "Scale of the step",
        "The scalar a of each reverse step x′ = a x + v, by what is held fixed while the step is differentiated."
        + outside,
        draw("gauges", plot, "a", TIME),
        "; ".join(f"gauge {label} between {spread(values)}" for label, values, _ in curves) + ".",
    )


def translation_norm(run: RunData) -> Plate | None:
    """Norm of the translation of every step: median and central band over trajectories."""
    t, median = run.array("step_timestep", 1), run.array("v_norm_median", 1)
    if t is None or median is None or t.shape != median.shape:
        return None
    low, high = run.array("v_norm_low", 1), run.array("v_norm_high", 1)

    def plot(axes: Axes) -> None:
        if low is not None and high is not None and low.shape == high.shape == t.shape:
            axes.fill_between(t, low, high, color=SERIES[0], alpha=0.18, linewidth=0)
        axes.plot(t, median, color=SERIES[0])
        scale(axes, [median])
        forward(axes)

    return Plate(
        "translation-norm",
        "Size of the translation",
        "‖v‖ of each reverse step in gauge v: median and central 90 % of the trajectories.",
        draw("translation-norm", plot, "‖v‖", TIME),
        f"Median norm between {spread(median)}.",
    )
