"""What a study writes beside its runs, at any moment of it: ``index.html``, ``summary.csv``, ``results.jsonl``."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterable
from typing import Any

from symdiff import __version__
from symdiff.batch.directory import Record, StudyDirectory, counts
from symdiff.batch.merging import LEVEL, Finding, Row, merge
from symdiff.batch.selection import spelled
from symdiff.batch.study import Run
from symdiff.report.index import FIGURES
from symdiff.report.page import environment, write_atomically
from symdiff.result import finite, load_result

COLUMNS = (
    *("model", "group", "settings", "diagnostic", "mean", "low", "high", "level", "n", "better", "best"),
    *("done", "failed", "missing"),
)
"""Columns of ``summary.csv``."""

SHARE = 10
"""While runs go on, writing takes at most one part in this many of the time."""


class Pages:
    """The pages of one study; what runs found is read once."""

    def __init__(self, directory: StudyDirectory) -> None:
        self.directory = directory
        self._findings: dict[str, Finding] = {}
        self._rest_until = 0.0

    def write(self, *, at_last: bool = False) -> None:
        """Write them from what is there; soon after the last time only if `at_last`.

        Raises
        ------
        DiskError
            They could not be written.
        """
        began = time.monotonic()
        if began < self._rest_until and not at_last:
            return
        rows = merge(self.directory.study, self.directory.records, self._read())
        write_atomically(self.directory / "results.jsonl", self._results())
        write_atomically(self.directory / "summary.csv", summary(rows))
        write_atomically(self.directory / "index.html", self._index(rows))
        self._rest_until = time.monotonic() + SHARE * (time.monotonic() - began)

    def _read(self) -> dict[str, Finding]:
        for run in self.directory.study.runs:
            is_done = self.directory.records[run.run_id].state == "done"
            if is_done and run.run_id not in self._findings:
                self._findings[run.run_id] = Finding.of(load_result(self.directory.run_directory(run)))
        return self._findings

    def _index(self, rows: list[Row]) -> str:
        study, records = self.directory.study, self.directory.records
        same = {key: value for key, value in study.runs[0].settings.items() if key not in study.varying}
        return (
            environment()
            .get_template("study.html.j2")
            .render(
                study=study,
                counts=counts(records),
                by_model=[(model, [row for row in rows if row.model == model]) for model in _models(rows)],
                heads={key: head for key, head in FIGURES.items() if any(key in row.figures for row in rows)},
                records=records,
                cautions={run_id: len(finding.cautions) for run_id, finding in self._findings.items()},
                links={run.run_id: self._link(run) for run in study.runs},
                logs={run.run_id: self._log(run) for run in study.runs},
                labels={run.run_id: without_folders(study.label(run)) for run in study.runs},
                shown=without_folders,
                same=[(key, without_folders(spelled(value))) for key, value in same.items() if value is not None],
                level=round(100 * LEVEL),
                version=__version__,
            )
        )

    def _link(self, run: Run) -> str | None:
        name = f"runs/{run.run_id}/report.html"
        return name if (self.directory / name).exists() else None

    def _log(self, run: Run) -> str | None:
        name = f"logs/{run.run_id}.log"
        return name if (self.directory / name).exists() else None

    def _results(self) -> str:
        lines = [self._line(run, self.directory.records[run.run_id]) for run in self.directory.study.runs]
        return "".join(json.dumps(finite(line), allow_nan=False) + "\n" for line in lines)

    def _line(self, run: Run, record: Record) -> dict[str, Any]:
        cause = record.cause and {"code": record.cause.code, "message": without_folders(record.cause.message)}
        line = {
            "run_id": run.run_id,
            "state": record.state,
            "cause": cause,
            "seconds": record.seconds,
            "settings": run.settings,
            "plugins": dict(run.plugins),
        }
        finding = self._findings.get(run.run_id)
        if finding is None:
            return line
        return line | {
            "structured": finding.structured,
            "claims": dict(finding.claims),
            "decomposition": finding.decomposition,
            "diagnostics": dict(finding.figures),
            "cautions": dict(finding.cautions),
        }


def summary(rows: Iterable[Row]) -> str:
    """Return one line a row and diagnostic, numbers in full; a row without any result has one line without figures."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        settings = " ".join(f"{key}={value}" for key, value in row.settings.items())
        who = (row.model, row.group, settings)
        how = (row.states["done"], row.states["failed"], row.missing)
        for name, figure in row.figures.items():
            low, high = figure.interval or (None, None)
            best = "yes" if figure.best else ""
            writer.writerow([*who, name, figure.mean, low, high, LEVEL, figure.n, figure.better, best, *how])
        if not row.figures:
            writer.writerow([*who, *[""] * (len(COLUMNS) - len(who) - len(how)), *how])
    return buffer.getvalue()


def without_folders(text: str) -> str:
    """Return `text` with absolute paths cut to their last part: a page may be passed on, its author's folders not."""
    return re.sub(r"(?<![\w./~-])~?/(?:[^/\s:'\"]+/)+", "…/", text)


def _models(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row.model for row in rows))
