"""Figures of the maps shared by all trajectories: of single steps, and composed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from symdiff.report.canvas import INK, MUTED, SERIES, Plate, draw
from symdiff.report.figures.levels import TIME, curve, forward, of_levels, spread
from symdiff.report.notation import number

Process = Mapping[str, Any]


def shared_affine_denoised(process: Process, thresholds: Mapping[str, float] | None = None) -> Plate | None:
    """Held-out R² of common maps from x_t to the denoised image; the affine one is what the verdict uses."""
    curves = [
        (label, found)
        for label, key in (
            ("affine", "shared_affine_r2_denoised"),
            ("one gain a pixel", "shared_diagonal_r2_denoised"),
            ("one gain", "shared_scalar_r2_denoised"),
        )
        if (found := curve(process, key)) is not None
    ]
    if not curves or curves[0][0] != "affine":
        return None
    limits = content_thresholds(thresholds or {})

    def plot(axes: Axes) -> None:
        for index, (label, (t, value, low, high)) in enumerate(curves):
            axes.fill_between(t, low, high, color=SERIES[index], alpha=0.2, linewidth=0)
            axes.plot(t, value, color=SERIES[index], label=label if len(curves) > 1 else None)
        for level in limits:
            axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        lowest = min(float(np.nanmin(np.r_[value, low])) for _, (_, value, low, _) in curves)
        axes.set_ylim(max(min(lowest, limits[1] - 0.1) - 0.04, -0.2), 1.06)
        axes.locator_params(axis="y", nbins=5)
        forward(axes)

    fewer = " Beside it the best maps of fewer numbers: one gain a pixel, and one gain for all." if curves[1:] else ""
    return Plate(
        "shared-affine-denoised",
        "One affine map for every trajectory",
        "Held-out R² of the best common affine map from the state x to the denoised image, per step, with interval. "
        f"Dashed: the claim is supported where the interval lies above {number(limits[0], 2)} throughout, not "
        f"supported where it lies below {number(limits[1], 2)} anywhere.{fewer}",
        draw("shared-affine-denoised", plot, "R², denoised image", TIME),
        "; ".join(f"R² of the map {label} between {spread(found.value)}" for label, found in curves)
        + f"; thresholds {number(limits[0])} and {number(limits[1])}.",
    )


def shared_affine_step(process: Process) -> Plate | None:
    """The same for the step's mean and for the sampled next state with its ceiling."""
    curves = [
        (label, found, dash)
        for label, key, dash in (
            ("mean of the step", "shared_affine_r2", "-"),
            ("sampled state", "shared_affine_r2_sampled", "-"),
            ("its ceiling", "ceiling_sampled", (0, (4, 2))),
        )
        if (found := curve(process, key)) is not None
    ]
    if not curves:
        return None

    def plot(axes: Axes) -> None:
        for index, (label, (t, value, _, _), dash) in enumerate(curves):
            ceiling = label == "its ceiling"
            axes.plot(
                t,
                value,
                linestyle=dash,
                color=MUTED if ceiling else SERIES[index],
                linewidth=1.1 if ceiling else 1.6,
                label=label,
            )
        axes.locator_params(axis="y", nbins=5)
        forward(axes)

    return Plate(
        "shared-affine-step",
        "The same for the step itself",
        "Its mean is mostly a multiple of x by construction, so a high value here says little; the injected noise "
        "keeps the sampled state below its ceiling.",
        draw("shared-affine-step", plot, "R²", TIME),
        "; ".join(f"{label} between {spread(found.value)}" for label, found, _ in curves) + ".",
    )


def composed(process: Process) -> Plate | None:
    """R² of the final state: maps of single steps composed, and one map fitted over the rest of the run."""
    entries = [entry for entry in process.get("composed") or () if isinstance(entry, Mapping)]
    parts = {
        "composed": of_levels(entries, "composed"),
        "fitted to the end": of_levels(entries, "direct"),
        "one element a step": of_levels(entries, "shared_elements"),
    }
    found = {label: part for label, part in parts.items() if part is not None}
    if "composed" not in found:
        return None
    ceiling = [(entry["timestep"], entry.get("ceiling")) for entry in entries if entry.get("ceiling") is not None]

    def plot(axes: Axes) -> None:
        for index, (label, (t, value, low, high)) in enumerate(found.items()):
            axes.fill_between(t, low, high, color=SERIES[index], alpha=0.2, linewidth=0)
            axes.plot(t, value, marker="o", markersize=3.5, color=SERIES[index], label=label)
        if ceiling:
            axes.plot(*zip(*ceiling, strict=True), color=MUTED, linewidth=1.1, linestyle=(0, (4, 2)), label="ceiling")
        axes.set_ylim(max(min(float(np.nanmin(part.value)) for part in found.values()) - 0.05, -1), 1.06)
        axes.locator_params(axis="y", nbins=5)
        forward(axes)

    return Plate(
        "composed",
        "Steps composed, against the whole run",
        "Held-out R² of the final state as a function of the state at t: the shared maps of the remaining steps "
        "multiplied, one affine map fitted from t to the end, and one group element a step multiplied. Dashed: what "
        "injected noise would leave if the steps were these maps.",
        draw("composed", plot, "R², final state", TIME),
        "; ".join(
            f"{label} from {number(part.value[0])} at t = {number(part.timestep[0])} to {number(part.value[-1])} at "
            f"t = {number(part.timestep[-1])}"
            for label, part in found.items()
        )
        + ".",
    )


def content_thresholds(thresholds: Mapping[str, float]) -> tuple[float, float]:
    """The levels of ``shared_affine_r2_denoised`` above and below which the verdict decides."""
    return thresholds.get("affine_supported", 0.95), thresholds.get("affine_refuted", 0.90)
