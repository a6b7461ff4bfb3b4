"""The section on a representation with values on a manifold: the curve of its values in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.report.notation import UNKNOWN, interval, number
from symdiff.report.process_section import Section, Table

CURVES = {"steps": "values ρ(g_t)", "products": "products ρ(g_t) … ρ(g_1)"}


def section(process: Mapping[str, Any]) -> Section | None:
    """The section; ``None`` for representations that are not on a manifold."""
    found = process.get("manifold")
    if not found:
        return None
    tables = [_curves(found), _words(found)]
    return Section(list(found.get("words") or ()), _cautions(found), [table for table in tables if table])


def _cautions(found: Mapping[str, Any]) -> list[str]:
    texts = [
        f"{CURVES.get(name, name)}: {figure['caution']}"
        for name, curve in (found.get("curves") or {}).items()
        for figure in (curve[key] for key in ("variance", "geodesic", "subgroup"))
        if figure.get("caution")
    ]
    return list(dict.fromkeys(texts))


def _curves(found: Mapping[str, Any]) -> Table | None:
    curves = found.get("curves") or {}
    if not curves:
        return None
    rows = []
    for name, curve in curves.items():
        mean = curve.get("mean") or {}
        rows.append(
            [
                CURVES.get(name, name),
                number(mean.get("distance_from_identity")),
                _figure(curve["variance"]),
                ", ".join(number(share, 2) for share in curve["shares"]) or UNKNOWN,
                _figure(curve["geodesic"]),
                _figure(curve["subgroup"]),
                f"{mean['converged']} of {found['trajectories']}, {mean['iterations']} rounds" if mean else UNKNOWN,
            ]
        )
    return Table(
        "Curves on the manifold",
        f"Curves of {found['trajectories']} held-out trajectories on {found['blocks']} blocks of "
        f"{found['manifold']}({found['n']}), in geodesic distances a block: how far the Fréchet mean is from the "
        "identity, the variance about it, the shares of its principal directions, and the distance from the principal "
        "geodesic and from the one-parameter subgroup of the steps, relative to the extent of the curve; 95 % "
        "intervals over trajectories.",
        ["curve", "mean to 1", "variance", "shares", "off a geodesic", "off a subgroup", "mean converged"],
        rows,
    )


def _words(found: Mapping[str, Any]) -> Table | None:
    rows = [[number(word["length"]), _figure(word)] for word in found.get("word_length") or ()]
    if not rows:
        return None
    return Table(
        "Words in geodesic distances",
        "d(ρ(g_w … g_1), ρ(g_w) … ρ(g_1)) relative to d(ρ(g_w) … ρ(g_1), 1) by the number of elements multiplied: a "
        "homomorphism stays at rounding, a rho that only moves little does not.",
        ["elements", "geodesic error"],
        rows,
    )


def _figure(found: Mapping[str, Any]) -> str:
    if found.get("value") is None:
        return UNKNOWN
    return number(found["value"]) + (f" {interval(found['interval'])}" if found.get("interval") else "")
