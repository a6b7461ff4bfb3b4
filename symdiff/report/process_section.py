"""The section on the process: what was found in words, and the numbers behind it as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from symdiff.report.notation import UNKNOWN, interval, number

ROWS = 11
"""Levels shown in a table; all are in the document."""

GAUGES = ("v", "eps", "x0")


class Table(NamedTuple):
    """One table: what it is called, its caption, the heads of its columns, and rows whose first cell is their head."""

    label: str
    caption: str
    heads: list[str]
    rows: list[list[str]]


class Section(NamedTuple):
    """What the template shows."""

    words: list[str]
    cautions: list[str]
    tables: list[Table]


def section(process: Mapping[str, Any]) -> Section:
    """The section of a process; parts that a document does not have are left out."""
    tables = [_maps(process), _composed(process), _bound(process), _linear(process), _group(process)]
    return Section(list(process.get("words") or ()), _cautions(process), [table for table in tables if table])


def _cautions(process: Mapping[str, Any]) -> list[str]:
    """What speaks against single figures, each once."""
    entries: list[Any] = [entry for levels in process.values() if isinstance(levels, list) for entry in levels]
    entries += [process.get("elbo") or {}, *(process.get("group") or {}).values()]
    found = [entry["caution"] for entry in entries if isinstance(entry, Mapping) and entry.get("caution")]
    # What speaks against a Jacobian holds at its level.
    levels = (process.get("linear_part") or {}).get("levels") or ()
    found += [f"∂x̂₀/∂x at t = {_time(level)}: {level['caution']}" for level in levels if level.get("caution")]
    return list(dict.fromkeys(str(caution) for caution in found))


def _maps(process: Mapping[str, Any]) -> Table | None:
    columns = {
        "x̂₀, affine": "shared_affine_r2_denoised",
        "x̂₀, one gain a pixel": "shared_diagonal_r2_denoised",
        "x̂₀, one gain": "shared_scalar_r2_denoised",
        "mean of the step": "shared_affine_r2",
        "sampled state": "shared_affine_r2_sampled",
        "its ceiling": "ceiling_sampled",
    }
    found = {head: {_time(level): level for level in _levels(process, key)} for head, key in columns.items()}
    found = {head: levels for head, levels in found.items() if levels}
    if not found:
        return None
    times = _thin(list(next(iter(found.values()))))
    rows = [[time, *(_figure(levels.get(time)) for levels in found.values())] for time in times]
    return Table(
        "Shared maps",
        "Held-out R² of maps that are the same for every trajectory, with interval, at a selection of noise levels.",
        ["t", *found],
        rows,
    )


def _composed(process: Mapping[str, Any]) -> Table | None:
    entries = _levels(process, "composed")
    if not entries:
        return None
    rows = [
        [
            _time(entry),
            _figure(entry.get("composed")),
            _figure(entry.get("direct")),
            number(entry.get("ceiling")),
            _figure(entry.get("shared_elements")),
        ]
        for entry in entries
    ]
    return Table(
        "Composition",
        "R² of the final state from the state at t: shared maps of single steps composed, one map fitted from t to the "
        "end, what injected noise would leave if the steps were these maps, and one group element a step composed.",
        ["from t", "composed", "fitted", "ceiling", "one element a step"],
        rows,
    )


def _bound(process: Mapping[str, Any]) -> Table | None:
    elbo = process.get("elbo") or {}
    if not elbo.get("variances"):
        return None
    rows = [
        [
            kind.replace("_", " "),
            _figure(parts["bits_per_dim"]),
            _figure(elbo["prior"]),
            _figure(parts["transitions"]),
            _figure(parts["reconstruction"]),
        ]
        for kind, parts in elbo["variances"].items()
    ]
    clipped = "clipped" if elbo.get("clipped") else "not clipped"
    return Table(
        "Bound",
        f"The bound on −log p in bits per dimension on {elbo['origin']}, by the variance of the reverse steps; x̂₀ "
        f"{clipped}, {elbo['images']} images, {elbo['times']} of {elbo['of_times']} times.",
        ["variance", "bound", "prior L_T", "sum of L_t−1", "last step L₀"],
        rows,
    )


def _linear(process: Mapping[str, Any]) -> Table | None:
    part = process.get("linear_part") or {}
    levels = part.get("levels") or []
    if not levels:
        return None
    columns = {
        "effective rank": "effective_rank",
        "trace": "trace",
        "asymmetry": "symmetry_defect",
        "commutator, states": "commutator_states",
        "next level": "commutator_neighbour",
        "all levels": "commutator_all",
    }
    rows = [
        [
            _time(level),
            number((level.get("eigenvalues") or [None])[0]),
            *(_figure(level.get(key)) for key in columns.values()),
            number(level.get("commutator_null")),
        ]
        for level in levels
    ]
    return Table(
        "Linear part",
        f"The Jacobian ∂x̂₀/∂x at {part.get('states')} states of each level, of dimension {part.get('dimension')}. "
        "Commutators are those of traceless parts, relative to the two products they are the difference of; the last "
        "column is what unrelated bases would give.",
        ["t", "largest eigenvalue", *columns, "unrelated"],
        rows,
    )


def _group(process: Mapping[str, Any]) -> Table | None:
    group = process.get("group") or {}
    gauges = [gauge for gauge in GAUGES if gauge in group]
    if not gauges:
        return None
    facts = [group[gauge] for gauge in gauges]
    rows = [
        ["steps in GL(d+1)", *(f"{f['steps'] - f['outside']['count']} of {f['steps']}" for f in facts)],
        ["outside", *(_outside(f["outside"]) for f in facts)],
        ["product of a", *(number(f["product"]) for f in facts)],
        ["it should be", *(_expected(f["telescoping"]) for f in facts)],
        ["relative defect", *(number((f["telescoping"] or {}).get("defect"), 2) for f in facts)],
        ["smallest |a|", *(_extreme(f["smallest"]) for f in facts)],
        ["largest |a|", *(_extreme(f["largest"]) for f in facts)],
        ["condition of the composed element", *(number(f["condition"]) for f in facts)],
        ["rebuilding the end in float32 misses by", *(number((f["rebuild"] or {}).get("value"), 2) for f in facts)],
    ]
    return Table(
        "Group elements",
        "The elements of the run as group elements, by gauge, over the longest run of steps that are in GL(d+1).",
        ["fact", *(f"gauge {gauge}" for gauge in gauges)],
        rows,
    )


def _outside(outside: Mapping[str, Any]) -> str:
    if not outside["count"]:
        return "none"
    first = outside["steps"][0]
    more = f", and {outside['count'] - 1} more" if outside["count"] > 1 else ""
    return f"t = {number(first['timestep'])}: {first['why']}{more}"


def _expected(telescoping: Mapping[str, Any] | None) -> str:
    if telescoping is None:
        return "no formula known"
    return f"{telescoping['formula']} = {number(telescoping['expected'])}"


def _extreme(found: Mapping[str, Any] | None) -> str:
    return UNKNOWN if found is None else f"{number(found['value'])} at t = {number(found['timestep'])}"


def _levels(process: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = process.get(key)
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _time(level: Mapping[str, Any]) -> str:
    return number(level.get("timestep"))


def _figure(found: Mapping[str, Any] | None) -> str:
    if not found or found.get("value") is None:
        return UNKNOWN
    ends = found.get("interval")
    return number(found["value"]) + (f" {interval(ends)}" if ends else "")


def _thin(times: Sequence[str]) -> list[str]:
    if len(times) <= ROWS:
        return list(times)
    return [times[round(k * (len(times) - 1) / (ROWS - 1))] for k in range(ROWS)]
