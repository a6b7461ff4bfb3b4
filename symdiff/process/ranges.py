"""Noise levels in words: contiguous ones merged, each with its training time and its share of signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from symdiff.report.notation import interval, joined, number

Level = Mapping[str, Any]


def ranges(levels: Sequence[Level], chosen: Iterable[int], alpha_bar: Mapping[float, float], most: int = 4) -> str:
    """The `chosen` indices of `levels` as text: ``t = 1000 … 640 (ᾱ 4.0e-5 … 0.019) and t = 20 (ᾱ 0.995)``.

    Parameters
    ----------
    levels
        Mappings with a ``timestep``, in the order of sampling; neighbours in it are contiguous.
    chosen
        Indices.
    alpha_bar
        Share of the signal by timestep.
    most
        Ranges named before the rest are counted.
    """
    runs: list[list[int]] = []
    for index in sorted(chosen):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    named = [_range(levels[run[0]], levels[run[-1]], alpha_bar) for run in runs]
    if len(named) > most:
        left = sum(len(run) for run in runs[most - 1 :])
        named = [*named[: most - 1], f"{left} more levels"]
    return joined(named) or "no level"


def _range(first: Level, last: Level, alpha_bar: Mapping[float, float]) -> str:
    ends = [first] if first is last else [first, last]
    times = " … ".join(number(level["timestep"]) for level in ends)
    shares = [alpha_bar[float(level["timestep"])] for level in ends if float(level["timestep"]) in alpha_bar]
    return f"t = {times}" + (f" (ᾱ {' … '.join(number(share, 2) for share in shares)})" if shares else "")


def figure(found: Mapping[str, Any] | None, digits: int = 3) -> str:
    """``0.61 [0.58, 0.64]``; a dash for what is unknown."""
    if not found or found.get("value") is None:
        return number(None)
    ends = found.get("interval")
    return number(found["value"], digits) + (f" {interval(ends, digits)}" if ends else "")


def measured(levels: Iterable[Level] | None, key: str | None = None) -> list[Level]:
    """The levels with a value, of the entry `key` if one is given."""
    return [
        level for level in levels or () if (level if key is None else level.get(key) or {}).get("value") is not None
    ]
