"""Noise levels by their timesteps, as a verdict's evidence names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def timestep(level: Mapping[str, Any]) -> str:
    """The timestep of a level; real times of a scheduler to six digits."""
    return f"{level['timestep']:.6g}"


def timesteps(levels: Sequence[Mapping[str, Any]], most: int = 8) -> str:
    """``timesteps 980, 960, ... (12)``: the first `most` of them, and how many there are."""
    names = ", ".join(timestep(level) for level in levels[:most])
    return f"timesteps {names}{', ...' if len(levels) > most else ''} ({len(levels)})"
