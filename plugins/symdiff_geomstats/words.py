"""The curve of the values of rho, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STRAIGHT = 1e-5
"""Relative distance from a geodesic or a subgroup below which a curve is one, up to rounding."""

CURVES = {"steps": "The values ρ(g_t)", "products": "Their products ρ(g_t) … ρ(g_1)"}


def in_words(document: Mapping[str, Any]) -> list[str]:
    """What the description says."""
    found = [_sees(document)]
    for name, subject in CURVES.items():
        curve = document["curves"][name]
        if curve["mean"] is None:
            found.append(f"{subject} lie too far apart for a mean: {curve['variance']['caution']}.")
            continue
        first = f", {curve['shares'][0]:.0%} of it in one direction" if curve["shares"] else ""
        found.append(
            f"{subject} vary by {curve['variance']['value'] ** 0.5:.3g} a block about their Fréchet mean{first}. "
            f"{_straight('geodesic', curve['geodesic'])} {_straight('one-parameter subgroup', curve['subgroup'])}"
        )
    return found


def _sees(document: Mapping[str, Any]) -> str:
    sees = str(document["sees"])
    return sees[0].upper() + sees[1:] + "."


def _straight(kind: str, figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    if value is None:
        return f"How far they are from a {kind} is not known: {figure['caution']}."
    if value <= STRAIGHT:
        return f"They lie on a {kind}."
    return f"They stray from the best {kind} found by {value:.2g} of their own extent."
