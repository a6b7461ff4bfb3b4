"""Several runs side by side, as Markdown and as CSV."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Mapping, Sequence

from symdiff.report.comparison import compare
from symdiff.report.glossary import by_section
from symdiff.report.notation import interval, number
from symdiff.result import Result

CSV_COLUMNS = (
    "run", "model", "group", "structured", "diagnostic", "value", "low", "high", "level", "n", "better", "caution",
    "baseline", "difference", "change",
)  # fmt: skip


def markdown(results: Mapping[str, Result], baseline: Result | None = None) -> str:
    """Runs as columns, diagnostics as rows, cautions below.

    Parameters
    ----------
    results
        Results by name of their run.
    baseline
        A run to compare each with; adds a table of what changed.

    Returns
    -------
    str
        GitHub-flavoured Markdown.
    """
    runs = list(results)
    rows = [["model", *(results[run].model for run in runs)], ["group", *(results[run].group for run in runs)]]
    rows.append(["**structured**", *(f"**{results[run].verdict.structured}**" for run in runs)])
    claims = dict.fromkeys(claim for run in runs for claim in results[run].verdict.claims)
    for claim in claims:
        found = [results[run].verdict.claims.get(claim) for run in runs]
        rows.append([f"claim: {claim}", *("" if item is None else item.status for item in found)])
    names = dict.fromkeys(name for run in runs for name in results[run].diagnostics)
    for _, section in by_section(names):
        rows += [[name, *(_cell(results[run], name) for run in runs)] for name in section]
    parts = [_table(["", *runs], rows)]
    if baseline is not None:
        parts += [_changes(run, results[run], baseline) for run in runs]
    cautions = [
        f"- {_plain(run)}, {name}: {_plain(estimate.caution)}"
        for run in runs
        for name, estimate in results[run].diagnostics.items()
        if estimate.caution
    ]
    if cautions:
        parts.append("Cautions:\n\n" + "\n".join(cautions))
    return "\n\n".join(parts) + "\n"


def csv(results: Mapping[str, Result], baseline: Result | None = None) -> str:
    """One line a diagnostic of a run, numbers in full precision, empty where unknown; columns `CSV_COLUMNS`."""
    buffer = io.StringIO()
    writer = csv_format.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for run, result in results.items():
        changes = {} if baseline is None else {item.name: item for item in compare(result, baseline)}
        for name, estimate in result.diagnostics.items():
            low, high = estimate.interval or (None, None)
            change = changes.get(name)
            beside = ("", "", "") if change is None else (change.baseline, change.difference, change.change)
            answer = (result.model, result.group, result.verdict.structured)
            figure = (estimate.value, low, high, estimate.level, estimate.n, estimate.better, estimate.caution)
            writer.writerow([run, *answer, name, *figure, *beside])
    return buffer.getvalue()


def _cell(result: Result, name: str) -> str:
    estimate = result.diagnostics.get(name)
    if estimate is None:
        return ""
    ends = f" {interval(estimate.interval)}" if estimate.interval is not None else ""
    return f"{number(estimate.value)}{ends}{' (caution)' if estimate.caution else ''}"


def _changes(run: str, result: Result, baseline: Result) -> str:
    rows = [
        [item.name, number(item.value), number(item.baseline), number(item.difference), item.change]
        for item in compare(result, baseline)
    ]
    return f"{_plain(run)} against the baseline:\n\n" + _table(["", "run", "baseline", "difference", "change"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])


def _plain(text: str) -> str:
    """Text that cannot break out of a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
