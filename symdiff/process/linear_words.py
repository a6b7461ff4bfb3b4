"""What the local linear part says, in sentences: do the steps commute, in how many directions do they act."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from symdiff.process.ranges import Level, figure, measured, ranges
from symdiff.report.notation import number, setting

ABELIAN, NOT_ABELIAN = 0.05, 0.2
"""Shares of the null: commutators whose interval lies below the first count as 0, above the second as not 0.

The null, ``commutator_null`` of a level, is the relative commutator of matrices of the same spectra in unrelated bases.
"""


def linear_sentences(process: Mapping[str, Any], alpha_bar: Mapping[float, float]) -> list[str]:
    """Sentences on ``process["linear_part"]``."""
    part = process.get("linear_part")
    if not part or not part.get("levels"):
        reason = process.get("linear_part_absent") or "it was not asked for"
        return [f"The local linear part of the steps, and with it whether they commute, was not measured: {reason}."]
    return [
        *_commuting(part, alpha_bar),
        *_directions(part),
        *_symmetry(part),
        *_basis(part.get("common_basis") or {}),
        *([f"{_capital(part['note'])}."] if part.get("note") else []),
    ]


def commuting_at(found: Mapping[str, Any] | None, null: float | None) -> str | None:
    """``"yes"``, ``"no"`` or ``"open"``; ``None`` where it was not measured."""
    if not found or found.get("value") is None or not null:
        return None
    low, high = found.get("interval") or (0.0, math.inf)
    if high < ABELIAN * null:
        return "yes"
    return "no" if low > NOT_ABELIAN * null else "open"


def _commuting(part: Mapping[str, Any], alpha_bar: Mapping[float, float]) -> list[str]:
    found = []
    for key, text in (
        ("commutator_neighbour", "at one level and the next"),
        ("commutator_all", "at one level and all others"),
    ):
        levels = [level for level in measured(part["levels"], key) if level.get("commutator_null")]
        if not levels:
            found.append(f"Whether the linear parts of the steps {text} commute was not measured.")
            continue
        answers = [commuting_at(level[key], level["commutator_null"]) for level in levels]
        where = {kind: [i for i, answer in enumerate(answers) if answer == kind] for kind in ("yes", "no", "open")}
        if len(where["yes"]) == len(levels):
            answer = "they do at all levels"
        else:
            parts = [
                f"{word} at {ranges(levels, where[kind], alpha_bar)}"
                for kind, word in (("yes", "they do"), ("no", "they do not"), ("open", "it is not settled"))
                if where[kind]
            ]
            answer = "; ".join(parts)
        worst = max(levels, key=lambda level: float(level[key]["value"]))
        found.append(
            f"Do the linear parts of the steps {text} commute? {_capital(answer)} (relative commutator largest at "
            f"t = {number(worst['timestep'])}, {figure(worst[key])}, where unrelated bases would give "
            f"{number(worst['commutator_null'])}; limits {setting(ABELIAN)} and {setting(NOT_ABELIAN)} of that)."
        )
    return found


def _directions(part: Mapping[str, Any]) -> list[str]:
    levels = measured(part["levels"], "effective_rank")
    levels = [level for level in levels if not level.get("caution")] or levels
    if not levels:
        return ["The effective rank of ∂x̂₀/∂x was not measured."]
    low, high = (pick(levels, key=lambda level: float(level["effective_rank"]["value"])) for pick in (min, max))
    return [
        f"∂x̂₀/∂x acts in few directions: its effective rank is between {_at(low, 'effective_rank')} and "
        f"{_at(high, 'effective_rank')} of {part['dimension']}."
        if float(high["effective_rank"]["value"]) < part["dimension"] / 2
        else f"The effective rank of ∂x̂₀/∂x is between {_at(low, 'effective_rank')} and {_at(high, 'effective_rank')} "
        f"of {part['dimension']}."
    ]


def _symmetry(part: Mapping[str, Any]) -> list[str]:
    levels = measured(part["levels"], "symmetry_defect")
    if not levels:
        return []
    worst = max(levels, key=lambda level: float(level["symmetry_defect"]["value"]))
    return [
        f"‖J − Jᵀ‖/‖J‖ of J = ∂x̂₀/∂x is at most {_at(worst, 'symmetry_defect')}; the Jacobian of an optimal denoiser "
        "is symmetric."
    ]


def _basis(basis: Mapping[str, Any]) -> list[str]:
    residual = basis.get("residual") or {}
    if residual.get("value") is None:
        return []
    beside = {
        "the principal axes of the data": (basis.get("pca_residual") or {}).get("value"),
        "a random basis": (basis.get("null") or {}).get("random_basis"),
    }
    listed = "".join(f"; {number(value)} in {text}" for text, value in beside.items() if value is not None)
    return [f"One basis for all levels leaves {figure(residual)} of the linear parts outside the diagonal{listed}."]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _at(level: Level, key: str) -> str:
    return f"{figure(level[key])} (t = {number(level['timestep'])})"
