"""The section on the model's own symmetry: what was found in words, and the numbers behind it as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symdiff.report.notation import UNKNOWN, interval, number
from symdiff.report.process_section import Section, Table

MOST = 16
"""Elements that have a row."""


def section(process: Mapping[str, Any]) -> Section | None:
    """The section; ``None`` for groups that do not act on images, whose steps are their actions."""
    found = process.get("equivariance")
    if not found:
        return None
    tables = [_levels(found), _elements(found), _isotypic(found), _averaged(found)]
    return Section(list(found.get("words") or ()), _cautions(found), [table for table in tables if table])


def _cautions(found: Mapping[str, Any]) -> list[str]:
    """Every caution once, with the levels it is about."""
    at: dict[str, list[str]] = {}
    levels = found.get("levels") or ()
    for level in levels:
        for caution in filter(None, (level.get("caution") or "").split("; ")):
            at.setdefault(caution, []).append(number(level["timestep"]))
    texts = [
        caution if len(times) == len(levels) else f"at t = {', '.join(times)}: {caution}"
        for caution, times in at.items()
    ]
    parts = {"run": "whole runs", "isotypic": "isotypic spectrum", "symmetrized": "average over the group"}
    others = {name: (found.get(part) or {}).get("caution") for part, name in parts.items()}
    return [*texts, *(f"{name}: {caution}" for name, caution in others.items() if caution)]


def _levels(found: Mapping[str, Any]) -> Table | None:
    levels = found.get("levels") or []
    if not levels:
        return None
    heads = ["t", "skill", "error ÷ spread", "of the noise", "of the step", "another element", "standing still", "p"]
    randomly = any(level["random"] for level in levels)
    inexact = any(level["interpolation"]["state"] is not None for level in levels)
    heads += ["random network"] * randomly + ["action alone", "energy lost, x", "energy lost, x̂₀"] * inexact
    rows = []
    for level in levels:
        row = [number(level["timestep"]), *(_figure(level[key]) for key in ("skill", "error", "eps_error", "step"))]
        row += [number(level["permuted"]), number(level["still"]), number(level["permuted_p"], 2)]
        row += [number((level["random"] or {}).get("error"))] * randomly
        lost = level["interpolation"]
        row += [number(level["floor"]), number(lost["state"]), number(lost["denoised"])] * inexact
        rows.append(row)
    n, elements = found["trajectories"], len(found["elements"])
    return Table(
        "Equivariance by level",
        f"x̂₀(gx) against g x̂₀(x) at {n} states of each level and {elements} elements. Errors are squared and relative "
        "to the spread of x̂₀, those of the predicted noise are roots relative to its size, those of the step relative "
        "to the spread of the next state; the skill is one minus the error relative to that with another element.",
        heads,
        rows,
    )


def _elements(found: Mapping[str, Any]) -> Table | None:
    levels = found.get("levels") or []
    if not levels:
        return None
    run = {element["name"]: element for element in (found["run"].get("elements") or ())}
    rows = []
    for i, element in enumerate(found["elements"][:MOST]):
        here = [level["elements"][i] for level in levels]
        worst = min(
            (e for e in here if e["skill"]["value"] is not None), key=lambda e: e["skill"]["value"], default=None
        )
        errors = [e["value"] for e in here if e["value"] is not None]
        ends = f"{number(min(errors))} … {number(max(errors))}" if errors else UNKNOWN
        rows.append([element["name"], _figure(worst and worst["skill"]), ends, _figure(run.get(element["name"]))])
    left = len(found["elements"]) - len(rows)
    return Table(
        "Equivariance by element",
        "Elements by their coordinates: the least skill of all levels, the range of the error, and the error of whole "
        "runs relative to the spread of the images they end at, for the elements it was taken with."
        + (f" {left} more elements are in the document." if left else ""),
        ["g", "least skill", "error ÷ spread", "whole run"],
        rows,
    )


def _isotypic(found: Mapping[str, Any]) -> Table | None:
    isotypic = found.get("isotypic") or {}
    if not isotypic.get("levels"):
        return None
    first, last = isotypic["levels"][0], isotypic["levels"][-1]
    rows = [
        [
            part["name"],
            number(part["dimension"]),
            number(part["noise_share"]),
            _figure(first["state"].get(part["name"])),
            _figure(last["state"].get(part["name"])),
            _figure(last["denoised"].get(part["name"])),
            _figure(last["denoised_fluctuation"].get(part["name"])),
        ]
        for part in isotypic["components"]
    ]
    return Table(
        "Isotypic spectrum",
        "Shares of the energy that the group moves, by irrep: of white noise, of the first state, of the last one "
        f"looked at (t = {number(last['timestep'])}), of x̂₀ there, and of x̂₀ about its mean over trajectories.",
        ["irrep", "dimension", "noise", "first x", "last x", "x̂₀", "x̂₀ about its mean"],
        rows,
    )


def _averaged(found: Mapping[str, Any]) -> Table | None:
    changed = found.get("symmetrized") or {}
    if not changed.get("levels"):
        return None
    columns = ("before", "after", "difference")
    rows = [[number(level["timestep"]), *(_figure(level[key]) for key in columns)] for level in changed["levels"]]
    rows.append(["bound, bits per dimension", *(_figure(changed["bits_per_dim"][key]) for key in columns)])
    return Table(
        "Averaged over the group",
        f"Mean squared error a pixel of x̂₀ on {changed['images']} of {changed['origin']}, before and after averaging "
        f"over {changed['elements']} elements, with the difference image by image, at the times of the bound.",
        ["t", "model", "averaged", "difference"],
        rows,
    )


def _figure(found: Mapping[str, Any] | None) -> str:
    if not found or found.get("value") is None:
        return UNKNOWN
    ends = found.get("interval")
    return number(found["value"]) + (f" {interval(ends)}" if ends else "")
