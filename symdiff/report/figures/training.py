"""Figures of the optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.canvas import MUTED, SERIES, Plate, draw, scale
from symdiff.report.notation import number
from symdiff.report.rundata import RunData

POINTS = 150
"""Points kept of one training curve; more only makes the page heavier."""


def training_loss(run: RunData) -> Plate | None:
    """Loss against the optimisation step, one colour a stage, validation as dots."""
    stages = _stages(run.metrics)
    curves = [(stage, _curve(rows, start, "loss"), _curve(rows, start, "validation")) for stage, start, rows in stages]
    curves = [curve for curve in curves if curve[1][0].size or curve[2][0].size]
    if not curves:
        return None

    def plot(axes: Axes) -> None:
        for index, (stage, (steps, loss), (marks, validation)) in enumerate(curves):
            colour = SERIES[index % len(SERIES)]
            axes.plot(steps, loss, color=colour, label=stage if steps.size else None, linewidth=1.1)
            axes.plot(marks, validation, ".", color=colour, markersize=5, label=None if steps.size else stage)
        scale(axes, [y for _, (_, a), (_, b) in curves for y in (a, b)])

    names = ", ".join(stage for stage, _, _ in curves)
    last = curves[-1][1][1]
    return Plate(
        "training-loss",
        "Training loss",
        "Total loss along the optimisation, stage after stage; dots are the validation loss.",
        draw("training-loss", plot, "loss", "optimisation step, all stages"),
        f"Training loss over the stages {names}" + (f"; last value {number(last[-1])}." if last.size else "."),
    )


def training_terms(run: RunData) -> Plate | None:
    """The terms of the loss against the optimisation step, with rules where a stage begins."""
    stages = _stages(run.metrics)
    terms: list[tuple[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]] = []
    for term in ("reconstruction", "prediction", "bracket"):
        parts = [_curve(rows, start, term) for _, start, rows in stages]
        if any((values > 0).any() for _, values in parts):
            terms.append((term, parts))
    if not terms:
        return None

    def plot(axes: Axes) -> None:
        for index, (term, parts) in enumerate(terms):
            for part, (steps, values) in enumerate(parts):
                axes.plot(steps, values, color=SERIES[index], label=None if part else term, linewidth=1.1)
        for _, start, _ in stages[1:]:
            axes.axvline(start, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
        scale(axes, [values for _, parts in terms for _, values in parts])

    return Plate(
        "training-terms",
        "Terms of the loss",
        "Reconstruction, prediction and, where it is penalised, the bracket condition; thin rules separate stages.",
        draw("training-terms", plot, "term of the loss", "optimisation step, all stages"),
        "Curves of " + ", ".join(term for term, _ in terms) + " along the optimisation.",
    )


def _stages(metrics: Sequence[dict[str, Any]]) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Group the lines by stage, each with the step at which it begins on a common axis."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in metrics:
        grouped.setdefault(str(row.get("stage", "training")), []).append(row)
    stages, start = [], 0
    for stage, rows in grouped.items():
        stages.append((stage, start, rows))
        start += max(int(row["step"]) for row in rows)
    return stages


def _curve(rows: Sequence[dict[str, Any]], start: int, key: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of one column, thinned by medians of neighbours."""
    points = [(start + row["step"], row[key]) for row in rows if isinstance(row.get(key), int | float)]
    if not points:
        return np.empty(0), np.empty(0)
    chunks = np.array_split(np.array(points, dtype=np.float64), min(POINTS, len(points)))
    thinned = np.array([np.median(chunk, axis=0) for chunk in chunks])
    return thinned[:, 0], thinned[:, 1]
