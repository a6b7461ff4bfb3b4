"""Suggest the name somebody meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``did you mean 'affine'?`` for the nearest of `choices`, or an empty string if none is near."""
    spelled = {choice.lower(): choice for choice in choices}
    near = get_close_matches(name.lower(), spelled, n=1, cutoff=0.5)
    return f"did you mean {spelled[near[0]]!r}?" if near else ""
