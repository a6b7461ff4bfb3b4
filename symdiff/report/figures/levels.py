"""What figures along the process share: a curve with its interval, and time that runs from noise to image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from numpy.typing import NDArray

from symdiff.report.notation import number

TIME = "training step t, from noise to image"


class Curve(NamedTuple):
    """One figure along the process, with the ends of its interval; NaN where unknown."""

    timestep: NDArray[np.float64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def curve(process: Mapping[str, Any], key: str) -> Curve | None:
    """Timestep, value and interval ends of one entry of a process; bare numbers have no interval."""
    entries = process.get(key)
    if not isinstance(entries, list) or not entries:
        return None
    rows = []
    for index, entry in enumerate(entries):
        record = entry if isinstance(entry, Mapping) else {"value": entry}
        low, high = record.get("interval") or (None, None)
        rows.append((record.get("timestep", len(entries) - index), record.get("value"), low, high))
    t, value, low, high = np.array(rows, dtype=np.float64).T
    return Curve(t, value, low, high) if np.isfinite(value).any() else None


def of_levels(levels: list[Any], key: str) -> Curve | None:
    """The curve of one figure of levels that hold several."""
    entries = [{**(level.get(key) or {}), "timestep": level.get("timestep")} for level in levels]
    return curve({key: entries}, key)


def forward(axes: Axes) -> None:
    """Let time run as sampling does: from noise, where t is largest, at the left."""
    axes.margins(x=0)
    axes.invert_xaxis()


def spread(values: Float[NDArray[Any], " n"]) -> str:
    """The least and the largest finite value in words."""
    finite = values[np.isfinite(values)]
    return f"{number(float(finite.min()))} and {number(float(finite.max()))}"
