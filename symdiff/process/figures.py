"""Figures over trajectories, each with its interval."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import Interval, delete_one

Figure = dict[str, Any]
"""``{"value": float or None, "interval": [low, high] or None}``."""


def figure(value: float | None, interval: Interval | None) -> Figure:
    """As plain data."""
    return {"value": value, "interval": None if interval is None else list(interval)}


def ratios(
    numerator: Float[Tensor, "n cases"], denominator: Float[Tensor, "n cases"], *, square_root: bool = False
) -> Figure:
    """Mean over cases of ``sum numerator / sum denominator`` over trajectories, or of its root, with the jackknife.

    Cases whose denominator vanishes say nothing and are left out; without any other there is no value.
    """

    def mean(top: Tensor, bottom: Tensor) -> Tensor:
        said = bottom > 0
        values = torch.where(said, top.clamp(min=0) / torch.where(said, bottom, 1.0), 0.0)
        values = values.sqrt() if square_root else values
        return values.sum(-1) / said.sum(-1)

    top, bottom = numerator.double(), denominator.double()
    if not bool((bottom.sum(0) > 0).any()):
        return figure(None, None)
    value = float(mean(top.sum(0), bottom.sum(0)))
    interval = delete_one(value, mean(top.sum(0) - top, bottom.sum(0) - bottom))
    if interval is not None and square_root:
        interval = (max(interval[0], 0.0), interval[1])
    return figure(value, interval)
