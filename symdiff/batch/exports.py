"""A study as tables for programs: a line a run, a line a row and diagnostic, and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from symdiff.batch.directory import Record
from symdiff.batch.merging import LEVEL, Finding, Row
from symdiff.batch.study import Run
from symdiff.errors import MissingExtraError
from symdiff.report.notation import interval, number
from symdiff.result import finite
from symdiff.rundir import replacing

COLUMNS = (
    *("model", "group", "settings", "diagnostic", "mean", "low", "high", "level", "n", "better", "best"),
    *("done", "failed", "missing"),
    *("difference", "difference_low", "difference_high", "difference_how"),
)
"""Columns of ``summary.csv``; the last four are empty without a baseline."""

Shown = Callable[[str], str]


def line(run: Run, record: Record, finding: Finding | None) -> dict[str, Any]:
    """Return one run as a document: settings, verdict, diagnostics, or why there are none."""
    cause = record.cause and {"code": record.cause.code, "message": record.cause.message}
    told = {
        "run_id": run.run_id,
        "state": record.state,
        "cause": cause,
        "seconds": record.seconds,
        "settings": run.settings,
        "plugins": dict(run.plugins),
    }
    if finding is None:
        return told
    return told | {
        "structured": finding.structured,
        "claims": dict(finding.claims),
        "decomposition": finding.decomposition,
        "diagnostics": dict(finding.figures),
        "cautions": dict(finding.cautions),
    }


def results(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return documents as JSON, one a line; what is not finite becomes null."""
    return "".join(json.dumps(finite(dict(line)), allow_nan=False) + "\n" for line in lines)


def summary(rows: Iterable[Row], shown: Shown) -> str:
    """Return one line a row and diagnostic, numbers in full; a row without any result has one line without figures."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        settings = " ".join(f"{key}={shown(value)}" for key, value in row.settings.items())
        who = (shown(row.model), shown(row.group), settings)
        how = (row.states["done"], row.states["failed"], row.missing)
        for name, figure in row.figures.items():
            low, high = figure.interval or (None, None)
            best = "yes" if figure.best else ""
            beside: tuple[Any, ...] = ("", "", "", "")
            if (contrast := row.differences.get(name)) is not None:
                ends = contrast.interval(LEVEL) or (None, None)
                beside = (contrast.difference, *ends, contrast.how)
            told = (shown(name), figure.mean, low, high, LEVEL, figure.n, figure.better, best)
            writer.writerow([*who, *told, *how, *beside])
        if not row.figures:
            writer.writerow([*who, *[""] * 8, *how, *[""] * 4])
    return buffer.getvalue()


def markdown(rows: Iterable[Row], heads: Mapping[str, str], shown: Shown) -> str:
    """Return the table of the page as GitHub-flavoured Markdown."""

    def cell(text: str) -> str:
        return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

    lines = ["| " + " | ".join(["model", "group", "runs", "structured", *heads.values()]) + " |"]
    lines.append("|" + " --- |" * (4 + len(heads)))
    for row in rows:
        who = " ".join([row.group, *(f"{key}={shown(value)}" for key, value in row.settings.items())])
        verdicts = ", ".join(f"{word} × {count}" for word, count in row.verdicts.items())
        cells = [shown(row.model), shown(who), f"{row.states['done']} of {len(row.runs)} done", verdicts]
        for name in heads:
            figure, contrast = row.figures.get(name), row.differences.get(name)
            if figure is None:
                cells.append("")
                continue
            told = [number(figure.mean), interval(figure.interval) if figure.interval else "", f"n = {figure.n}"]
            if contrast is not None:
                ends = contrast.interval(LEVEL)
                told.append(f"difference {number(contrast.difference)} {interval(ends) if ends else ''}")
            cells.append(" ".join(filter(None, told)) + (" (best)" if figure.best else ""))
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def refuse_without_pyarrow() -> None:
    """Raise `MissingExtraError` unless Parquet can be written."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtraError("pyarrow is not installed", "pip install 'symdiff-toolkit[parquet]'") from None


def write_parquet(lines: Iterable[Mapping[str, Any]], file: Path) -> Path:
    """Write a line a run, members of its documents as columns: ``settings.steps``, ``diagnostics.action_energy``.

    A column has one type: numbers where all are numbers, else text. What a run does not have is null.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    DiskError
        The file could not be written.
    """
    refuse_without_pyarrow()
    import pyarrow
    import pyarrow.parquet

    flat = [_flat(finite(dict(line))) for line in lines]
    names = dict.fromkeys(name for row in flat for name in row)
    table = pyarrow.table({name: _column([row.get(name) for row in flat]) for name in names})
    with replacing(file) as temporary:
        pyarrow.parquet.write_table(table, temporary)
    return file


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= _flat(item, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = item
    return found


def _column(values: list[Any]) -> Any:
    import pyarrow

    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return pyarrow.array(values, pyarrow.float64())
    if kinds <= {int} or kinds <= {bool}:
        return pyarrow.array(values)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pyarrow.array(texts, pyarrow.string())
