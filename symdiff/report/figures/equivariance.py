"""Figures of a model's symmetry along the process: error by element, skill against the thresholds, derivative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from symdiff.report.canvas import INK, MUTED, SERIES, Plate, draw, scale
from symdiff.report.figures.levels import TIME, forward, of_levels, spread

LEAST = 1e-8
"""Errors below this are drawn here: rounding has no shape worth an axis of thirty decades."""

FEW = 4
"""Elements that have a line and a name of their own; more of them are a fan around their mean."""

Process = Mapping[str, Any]


def equivariance_error(process: Process) -> Plate | None:
    """The error relative to the spread of x0hat, an element a line, with what exchange and a random network give."""
    found, levels = _measured(process)
    if not levels:
        return None
    t = np.array([level["timestep"] for level in levels], dtype=np.float64)
    each = np.array([[_number(e["value"]) for e in level["elements"]] for level in levels])
    mean = np.array([_number(level["error"]["value"]) for level in levels])
    if not np.isfinite(mean).any():
        return None
    names = [element["name"] for element in found["elements"]]
    lines = {
        "another g": ([_number(level["permuted"]) for level in levels], (0, (4, 2))),
        "random network": ([_number((level["random"] or {}).get("error")) for level in levels], (0, (1, 1.5))),
        "action alone": ([_number(level["floor"]) for level in levels], "-"),
    }

    def plot(axes: Axes) -> None:
        few = len(names) <= FEW
        for i, name in enumerate(names):
            axes.plot(
                t,
                np.maximum(each[:, i], LEAST),
                color=SERIES[i] if few else SERIES[0],
                linewidth=1.6 if few else 0.6,
                alpha=1 if few else 0.45,
                label=f"g = {name}" if few else None,
            )
        if not few:
            axes.plot(t, np.maximum(mean, LEAST), color=SERIES[0], linewidth=2, label=f"mean of {len(names)} g")
        drawn = [each]
        for label, (numbers, dash) in lines.items():
            values = np.array(numbers)
            if np.isfinite(values).any():
                axes.plot(t, np.maximum(values, LEAST), color=MUTED, linewidth=1.1, linestyle=dash, label=label)
                drawn.append(values)
        scale(axes, [np.maximum(values, LEAST) for values in drawn])
        forward(axes)

    return Plate(
        "equivariance-error",
        "Error of equivariance",
        "How far the denoised image of a moved state is from the moved denoised image, E‖x̂₀(gx) − g x̂₀(x)‖² relative "
        "to the spread of x̂₀ at that level. Grey: the same with another element in place of g, for a network of random "
        "weights, and, where the action interpolates, what moving a state there and back does by itself.",
        draw("equivariance-error", plot, "error ÷ spread of x̂₀", TIME),
        f"Mean error between {spread(mean)}.",
    )


def equivariance_skill(process: Process, thresholds: Mapping[str, float] | None = None) -> Plate | None:
    """The skill that the claim on content rests on, with interval and thresholds."""
    _, levels = _measured(process)
    skill = of_levels(levels, "skill") if levels else None
    if skill is None:
        return None
    t, value, low, high = skill
    random = np.array([_number((level["random"] or {}).get("skill")) for level in levels])
    limits = [(thresholds or {}).get(f"equivariance_{name}", default) for name, default in _LIMITS]
    lowest = float(np.nanmin(np.r_[value, low, random[np.isfinite(random)]]))

    def plot(axes: Axes) -> None:
        axes.fill_between(t, low, high, color=SERIES[0], alpha=0.2, linewidth=0)
        axes.plot(t, value, ".-", markersize=4, color=SERIES[0], label="this model")
        if np.isfinite(random).any():
            axes.plot(t, random, color=MUTED, linewidth=1.1, linestyle=(0, (1, 1.5)), label="random network")
        for limit in limits:
            axes.axhline(limit, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_ylim(max(min(lowest, 0.0), -1) - 0.08, 1.08)
        axes.locator_params(axis="y", nbins=5)
        forward(axes)

    return Plate(
        "equivariance-skill",
        "Skill of equivariance",
        "One minus the error relative to that with another element: 1 commutes with the group, 0 might as well use any "
        f"element. Dashed: supported above {limits[0]:g} at every level, not supported below {limits[1]:g} anywhere. "
        "Levels at which x̂₀ is nearly invariant have no skill and no point. Where a network of random weights passes, "
        "passing says nothing: at little noise x̂₀ is nearly the state.",
        draw("equivariance-skill", plot, "skill", TIME),
        f"Skill between {spread(value)}; thresholds {limits[0]:g} and {limits[1]:g}.",
    )


def lie_derivative(process: Process) -> Plate | None:
    """Squared Lie derivatives relative to the spread of x0hat, a generator a line."""
    found, _ = _measured(process)
    levels: Sequence[Mapping[str, Any]] = (found.get("lie") or {}).get("levels") or ()
    if not levels:
        return None
    t = np.array([level["timestep"] for level in levels], dtype=np.float64)
    each = np.array([[_number(g["value"]) for g in level["generators"]] for level in levels])
    if not np.isfinite(each).any():
        return None
    ends = np.array(
        [[g["interval"] or (None, None) for g in level["generators"]] for level in levels], dtype=np.float64
    )

    def plot(axes: Axes) -> None:
        for k in range(each.shape[1]):
            colour = SERIES[k % len(SERIES)]
            low, high = (np.maximum(end, LEAST) for end in ends[:, k].T)
            axes.fill_between(t, low, high, color=colour, alpha=0.2, linewidth=0)
            label = f"generator {k + 1}" if each.shape[1] > 1 else None
            axes.plot(t, np.maximum(each[:, k], LEAST), ".-", markersize=4, color=colour, label=label)
        scale(axes, [np.maximum(each, LEAST)])
        forward(axes)

    return Plate(
        "lie-derivative",
        "Lie derivative",
        "How fast equivariance fails as one moves away from the identity: ‖d/ds e^(−sX) x̂₀(e^(sX) x)‖² at s = 0, "
        "relative to the spread of x̂₀, by generator, with interval over states. No finite element takes part in it.",
        draw("lie-derivative", plot, "square ÷ spread of x̂₀", TIME),
        f"Between {spread(each.ravel())}.",
    )


_LIMITS = (("supported", 0.95), ("refuted", 0.90))


def _measured(process: Process) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    found = process.get("equivariance") or {}
    return found, list(found.get("levels") or ())


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
