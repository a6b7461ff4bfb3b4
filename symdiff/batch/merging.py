"""Runs that differ only by their seed, merged: mean and interval over seeds, and what stands out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any, Literal

from scipy.special import stdtrit

from symdiff.batch.directory import Record
from symdiff.batch.selection import spelled
from symdiff.batch.study import HEADLINE, Run, Study
from symdiff.report.contrasts import Contrast
from symdiff.result import Result

LEVEL = 0.95


@dataclass(frozen=True)
class Finding:
    """What a study keeps of the result of one run."""

    title: str
    structured: str
    claims: Mapping[str, str]
    figures: Mapping[str, float | None]
    better: Mapping[str, Literal["lower", "higher"]]
    cautions: Mapping[str, str]
    decomposition: str | None
    warnings: int
    nulls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Result) -> Finding:
        """Read it from a result."""
        return cls(
            title=result.title or result.group,
            structured=result.verdict.structured,
            claims={name: claim.status for name, claim in result.verdict.claims.items()},
            figures={name: estimate.value for name, estimate in result.diagnostics.items()},
            better={name: estimate.better for name, estimate in result.diagnostics.items()},
            cautions={name: item.caution for name, item in result.diagnostics.items() if item.caution},
            decomposition=(result.decomposition or {}).get("verdict"),
            warnings=len(result.warnings),
            nulls={
                name: {null: value for null, value in item.null.items() if value is not None}
                for name, item in result.diagnostics.items()
            },
        )


@dataclass(frozen=True)
class Figure:
    """A diagnostic over the seeds of a row.

    Attributes
    ----------
    mean
        Over the runs that have it.
    interval
        Student's t at 95%: where the mean over many seeds would be. ``None`` with one seed, which cannot say.
    n
        Runs that have it.
    better
        The direction of better.
    cautions
        Runs whose report has a caution beside it.
    best
        It is the best of its model, its interval apart from those of all other rows.
    """

    mean: float
    interval: tuple[float, float] | None
    n: int
    better: Literal["lower", "higher"]
    cautions: int = 0
    best: bool = False


@dataclass(frozen=True)
class Row:
    """Runs that differ only by their seed.

    Attributes
    ----------
    nulls
        The mean of a diagnostic under each null over the runs that have it.
    differences
        Its figures less those of a baseline, where there is one.
    """

    model: str
    group: str
    settings: Mapping[str, str]
    runs: tuple[Run, ...]
    states: Mapping[str, int]
    verdicts: Mapping[str, int]
    decompositions: Mapping[str, int]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    title: str = ""
    nulls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    differences: Mapping[str, Contrast] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Runs that are still to do, or at work."""
        return self.states["todo"] + self.states["running"]


def merge(study: Study, records: Mapping[str, Record], findings: Mapping[str, Finding]) -> list[Row]:
    """Return the rows of a study in the order of its matrix, those of one model together.

    Parameters
    ----------
    study
        The study.
    records
        How its runs stand, by id.
    findings
        What the finished ones found, by id.
    """
    rows: dict[tuple[str, str], list[Run]] = {}
    for run in study.runs:
        rest = {key: value for key, value in run.settings.items() if key != "seed"}
        rows.setdefault((run.config.model, json.dumps(rest, sort_keys=True)), []).append(run)
    shown = [key for key in study.varying if key not in (*HEADLINE, "seed")]
    merged = [_row(runs, shown, records, findings) for runs in rows.values()]
    models = list(dict.fromkeys(row.model for row in merged))
    return [row for model in models for row in mark_best([row for row in merged if row.model == model])]


def _row(
    runs: Sequence[Run], shown: Iterable[str], records: Mapping[str, Record], findings: Mapping[str, Finding]
) -> Row:
    first, found = runs[0], [findings[run.run_id] for run in runs if run.run_id in findings]
    names = dict.fromkeys(name for finding in found for name in finding.figures)
    figures = {name: figure for name in names if (figure := over_seeds(name, found)) is not None}
    states = [records[run.run_id].state for run in runs]
    return Row(
        model=first.config.model,
        group=first.config.group,
        settings={key: spelled(first.settings[key]) for key in shown if key in first.settings},
        runs=tuple(runs),
        states={state: states.count(state) for state in ("done", "failed", "running", "todo")},
        verdicts=_tally(finding.structured for finding in found),
        decompositions=_tally(finding.decomposition for finding in found if finding.decomposition),
        figures=figures,
        title=found[0].title if found else first.config.group,
        nulls={name: _nulls(name, found) for name in figures},
    )


def _nulls(name: str, findings: Sequence[Finding]) -> dict[str, float]:
    had = [finding.nulls.get(name, {}) for finding in findings]
    return {
        null: fmean(values[null] for values in had if null in values)
        for null in dict.fromkeys(null for values in had for null in values)
    }


def over_seeds(name: str, findings: Sequence[Finding]) -> Figure | None:
    """Return the mean of a diagnostic and where it lies: Student's t with n - 1 degrees of freedom."""
    have = [(finding, value) for finding in findings if (value := finding.figures.get(name)) is not None]
    if not have:
        return None
    values = [value for _, value in have]
    mean, interval = fmean(values), None
    if len(values) > 1:
        half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * stdev(values) / math.sqrt(len(values))
        interval = (mean - half, mean + half)
    cautions = sum(name in finding.cautions for finding, _ in have)
    return Figure(mean, interval, len(values), have[0][0].better[name], cautions)


def mark_best(rows: Sequence[Row]) -> list[Row]:
    """Mark a figure of one row as best where its interval is apart from, and better than, that of every other row.

    Where a row has one seed only, nobody knows, and nothing is marked; rows without the figure are left aside.
    """
    best: dict[int, dict[str, Figure]] = {}
    for name in dict.fromkeys(name for row in rows for name in row.figures):
        having = [(at, row.figures[name]) for at, row in enumerate(rows) if name in row.figures]
        if len(having) < 2:
            continue
        sign = -1 if having[0][1].better == "lower" else 1
        at, winner = max(having, key=lambda pair: sign * pair[1].mean)
        if all(_apart(winner, other, sign) for place, other in having if place != at):
            best.setdefault(at, {})[name] = replace(winner, best=True)
    return [replace(row, figures={**row.figures, **best.get(at, {})}) for at, row in enumerate(rows)]


def _apart(winner: Figure, other: Figure, sign: int) -> bool:
    if winner.interval is None or other.interval is None:
        return False
    return min(sign * end for end in winner.interval) > max(sign * end for end in other.interval)


def _tally(words: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found
