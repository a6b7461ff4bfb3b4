"""Figures of the process itself, before any model is trained on it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import INK, MUTED, SERIES, Plate, draw, scale
from symdiff.report.notation import number
from symdiff.report.rundata import RunData

_GAUGES = (("v", "gauge_v", "-"), ("eps", "gauge_eps", "--"), ("x0", "gauge_x0", "-."))
_TIME = "training step t, from noise to image"


class Curve(NamedTuple):
    """One figure along the process, with the ends of its interval; NaN where unknown."""

    timestep: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def gauges(run: RunData) -> Plate | None:
    """The scalar a_t of every step in each gauge."""
    t = run.array("step_timestep", 1)
    known = [
        (label, values, dash)
        for label, key, dash in _GAUGES
        if (values := run.array(key, 1)) is not None and t is not None and values.shape == t.shape
    ]
    curves = [(label, values, dash) for label, values, dash in known if not np.isnan(values).all()]
    if t is None or not curves:
        return None

    def plot(axes: Axes) -> None:
        for index, (label, values, dash) in enumerate(curves):
            axes.plot(t, values, dash, color=SERIES[index], label=f"gauge {label}")
        scale(axes, [values for _, values, _ in curves])
        _forward(axes)

    singular = [label for label, values, _ in curves if (~np.isfinite(values) | (values == 0)).any()]
    outside = f" In gauge {' and '.join(singular)} a step has a = 0 or ∞: no group element." if singular else ""
    missing = [label for label, values, _ in known if np.isnan(values).all()]
    outside += f" The sampler has no gauge {' and '.join(missing)}." if missing else ""
    return Plate(
        "gauges",
        "Scale of the step",
        "The scalar a of each reverse step x′ = a x + v, by what is held fixed while the step is differentiated."
        + outside,
        draw("gauges", plot, "a", _TIME),
        "; ".join(f"gauge {label} between {_range(values)}" for label, values, _ in curves) + ".",
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
        _forward(axes)

    return Plate(
        "translation-norm",
        "Size of the translation",
        "‖v‖ of each reverse step in gauge v: median and central 90 % of the trajectories.",
        draw("translation-norm", plot, "‖v‖", _TIME),
        f"Median norm between {_range(median)}.",
    )


def shared_affine_denoised(run: RunData) -> Plate | None:
    """Held-out R² of the best common affine map from x_t to the denoised image: what the verdict uses."""
    curve = _process_curve(run, "shared_affine_r2_denoised")
    if curve is None:
        return None
    t, value, low, high = curve
    thresholds = content_thresholds(run.result.verdict.thresholds)

    def plot(axes: Axes) -> None:
        axes.fill_between(t, low, high, color=SERIES[0], alpha=0.2, linewidth=0)
        axes.plot(t, value, color=SERIES[0])
        for level in thresholds:
            axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        bottom = min(float(np.nanmin(np.r_[value, low])), thresholds[1] - 0.1)
        axes.set_ylim(max(bottom - 0.04, -0.2), 1.06)
        axes.locator_params(axis="y", nbins=5)
        _forward(axes)

    return Plate(
        "shared-affine-denoised",
        "One affine map for every trajectory",
        "Held-out R² of the best common affine map from the state x to the denoised image, per step, with interval. "
        f"Dashed: the claim is supported where the interval lies above {number(thresholds[0], 2)} throughout, not "
        f"supported where it lies below {number(thresholds[1], 2)} anywhere.",
        draw("shared-affine-denoised", plot, "R², denoised image", _TIME),
        f"R² between {_range(value)}; thresholds {number(thresholds[0])} and {number(thresholds[1])}.",
    )


def shared_affine_step(run: RunData) -> Plate | None:
    """The same for the step's mean and for the sampled next state with its ceiling."""
    curves = [
        (label, curve, dash)
        for label, key, dash in (
            ("mean of the step", "shared_affine_r2", "-"),
            ("sampled state", "shared_affine_r2_sampled", "-"),
            ("its ceiling", "ceiling_sampled", (0, (4, 2))),
        )
        if (curve := _process_curve(run, key)) is not None
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
        _forward(axes)

    return Plate(
        "shared-affine-step",
        "The same for the step itself",
        "Its mean is mostly a multiple of x by construction, so a high value here says little; the injected noise "
        "keeps the sampled state below its ceiling.",
        draw("shared-affine-step", plot, "R²", _TIME),
        "; ".join(f"{label} between {_range(value)}" for label, (_, value, _, _), _ in curves) + ".",
    )


def content_thresholds(thresholds: dict[str, float]) -> tuple[float, float]:
    """The levels of ``shared_affine_r2_denoised`` above and below which the verdict decides."""
    return thresholds.get("affine_supported", 0.95), thresholds.get("affine_refuted", 0.90)


def _process_curve(run: RunData, key: str) -> Curve | None:
    """Timestep, value and interval ends of one entry of ``process``; bare numbers have no interval."""
    entries = run.result.process.get(key)
    if not isinstance(entries, list) or not entries:
        return None
    fallback = run.array("step_timestep", 1)
    rows = []
    for index, entry in enumerate(entries):
        record = entry if isinstance(entry, dict) else {"value": entry}
        at = float(fallback[index]) if fallback is not None and index < fallback.size else float(len(entries) - index)
        low, high = record.get("interval") or (None, None)
        rows.append((record.get("timestep", at), record.get("value"), low, high))
    t, value, low, high = np.array(rows, dtype=np.float64).T
    return Curve(t, value, low, high) if np.isfinite(value).any() else None


def _forward(axes: Axes) -> None:
    """Let time run as sampling does: from noise, where t is largest, at the left."""
    axes.margins(x=0)
    axes.invert_xaxis()


def _range(values: Float[NDArray[Any], " n"]) -> str:
    finite = values[np.isfinite(values)]
    return f"{number(float(finite.min()))} and {number(float(finite.max()))}"
