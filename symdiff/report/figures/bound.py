"""The figure of the variational bound: its terms along the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from symdiff.report.canvas import SERIES, Plate, draw
from symdiff.report.figures.levels import TIME, forward, of_levels
from symdiff.report.notation import number, setting

VARIANCES = {"optimal": "best variance", "fixed_large": "fixed large", "fixed_small": "fixed small"}


def bound_terms(process: Mapping[str, Any]) -> Plate | None:
    """``t L_{t-1}`` against log t at the times it was taken, for each reverse variance: its area is the sum."""
    elbo = process.get("elbo") or {}
    levels = elbo.get("levels") or []
    curves = {label: found for kind, label in VARIANCES.items() if (found := of_levels(levels, kind)) is not None}
    if not curves:
        return None

    def plot(axes: Axes) -> None:
        for index, (label, (t, value, low, high)) in enumerate(curves.items()):
            axes.fill_between(t, t * low, t * high, color=SERIES[index], alpha=0.15, linewidth=0)
            axes.plot(t, t * value, ".-", markersize=3.5, color=SERIES[index], linewidth=1, label=label)
        axes.locator_params(axis="y", nbins=5)
        axes.set_ylim(bottom=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: setting(value)))
        forward(axes)

    peaks = []
    for label, found in curves.items():
        peak = int((found.timestep * found.value).argmax())
        peaks.append(f"{label} {number(float(found.value[peak]))} bits at t = {number(float(found.timestep[peak]))}")
    return Plate(
        "bound-terms",
        "Terms of the bound",
        "Where the bound comes from: t times the term of each time that was taken, which is how far the modelled step "
        "is from the posterior of the forward process, with interval over images. On this axis the area under a curve "
        f"is its share in the sum over all {number(elbo.get('of_times'))} times.",
        draw("bound-terms", plot, "bits per dimension and e-fold of t", TIME),
        f"Terms of the bound, the largest contributions: {'; '.join(peaks)}.",
    )
