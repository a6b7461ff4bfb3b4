"""One run against another: which figures changed by more than their intervals allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from symdiff.result import Estimate, Result

Change = Literal["better", "worse", "no difference resolved", "unknown"]


@dataclass(frozen=True)
class Difference:
    """One diagnostic of a run beside that of its baseline.

    Attributes
    ----------
    name
        The diagnostic.
    value, baseline
        Its values; ``None`` where one could not be computed.
    change
        ``better`` or ``worse`` only where the two intervals do not overlap.
    """

    name: str
    value: float | None
    baseline: float | None
    change: Change

    @property
    def difference(self) -> float | None:
        """`value` less `baseline`."""
        return None if self.value is None or self.baseline is None else self.value - self.baseline


def compare(result: Result, baseline: Result) -> list[Difference]:
    """All diagnostics that both runs have, in the order of `result`."""
    both = [(name, now, baseline.diagnostics.get(name)) for name, now in result.diagnostics.items()]
    return [
        Difference(name, now.value, before.value, _change(now, before))
        for name, now, before in both
        if before is not None
    ]


def _change(now: Estimate, before: Estimate) -> Change:
    if now.value is None or before.value is None:
        return "unknown"
    (low, high), (low_before, high_before) = _ends(now, now.value), _ends(before, before.value)
    if low <= high_before and low_before <= high:
        return "no difference resolved"
    return "better" if (now.value < before.value) == (now.better == "lower") else "worse"


def _ends(estimate: Estimate, value: float) -> tuple[float, float]:
    """The interval; a figure without one is taken as exact."""
    low, high = estimate.interval or (value, value)
    return (value if low is None else low), (value if high is None else high)
