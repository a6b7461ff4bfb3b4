"""What a study writes beside its runs, at any moment of it: ``index.html``, ``summary.csv``, ``results.jsonl``."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from symdiff import __version__
from symdiff.batch import exports
from symdiff.batch.differences import Baseline, against
from symdiff.batch.directory import Record, counts
from symdiff.batch.merging import LEVEL, Finding, Row, merge
from symdiff.batch.scrubbing import Scrubber
from symdiff.batch.selection import spelled
from symdiff.batch.study import Run, Study
from symdiff.report.forest import Line, forest
from symdiff.report.index import FIGURES
from symdiff.report.page import environment, write_atomically
from symdiff.report.reproduce import command
from symdiff.result import load_result

SHARE = 10
"""While runs go on, writing takes at most one part in this many of the time."""

FORESTS = {"homomorphism_error": "Homomorphism error", "prediction_error": "Prediction error"}
"""Diagnostics that are drawn."""


@runtime_checkable
class Shown(Protocol):
    """A study with its directory, whether it is being run or only read."""

    @property
    def study(self) -> Study:
        """Its runs."""

    @property
    def path(self) -> Path:
        """Its directory."""

    @property
    def records(self) -> Any:
        """How its runs stand, by id."""

    def run_directory(self, run: Run) -> Path:
        """Where a run is written."""


class Pages:
    """The pages of one study; what runs found is read once."""

    def __init__(self, directory: Shown) -> None:
        self.directory = directory
        self.baseline: Baseline | None = None
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
        rows, path = self.rows(), self.directory.path
        write_atomically(path / "results.jsonl", exports.results(self.lines()))
        write_atomically(path / "summary.csv", exports.summary(rows, self.shown))
        write_atomically(path / "index.html", self._index(rows))
        self._rest_until = time.monotonic() + SHARE * (time.monotonic() - began)

    def rows(self) -> list[Row]:
        """Return the rows of the study, less the baseline where there is one."""
        rows = merge(self.directory.study, self.directory.records, self.findings())
        return rows if self.baseline is None else against(self.baseline, rows, self._findings)

    def findings(self) -> dict[str, Finding]:
        """Return what the finished runs found, by id."""
        for run in self.directory.study.runs:
            is_done = self._record(run).state == "done"
            if is_done and run.run_id not in self._findings:
                self._findings[run.run_id] = Finding.of(load_result(self.directory.run_directory(run)))
        return self._findings

    def lines(self) -> list[dict[str, Any]]:
        """Return a document a run, without what is only true of this machine."""
        findings = self.findings()
        return [
            {**self.shown.tree(exports.line(run, self._record(run), findings.get(run.run_id))), "run_id": run.run_id}
            for run in self.directory.study.runs
        ]

    @cached_property
    def shown(self) -> Scrubber:
        """What cuts folders and variables of this machine from a text."""
        return Scrubber(self.directory.path, [run.settings for run in self.directory.study.runs])

    def _index(self, rows: list[Row]) -> str:
        study, records, shown = self.directory.study, self.directory.records, self.shown
        templates = environment()
        script = templates.get_template("study.js").render()
        same = {key: value for key, value in study.runs[0].settings.items() if key not in study.varying}
        return templates.get_template("study.html.j2").render(
            study=study,
            counts=counts(records),
            rows=rows,
            heads={key: head for key, head in FIGURES.items() if any(key in row.figures for row in rows)},
            names={id(row): self._name(row, rows) for row in rows},
            forests=self._forests(rows),
            models=list(dict.fromkeys(row.model for row in rows)),
            groups=list(dict.fromkeys(row.group for row in rows)),
            baseline=self.baseline,
            records=records,
            cautions={run_id: len(finding.cautions) for run_id, finding in self._findings.items()},
            links={run.run_id: self._file(f"runs/{run.run_id}/report.html") for run in study.runs},
            logs={run.run_id: self._file(f"logs/{run.run_id}.log") for run in study.runs},
            labels={run.run_id: shown(study.label(run)) for run in study.runs},
            commands=[shown(_command(run)) for run in study.runs],
            shown=shown,
            varying=self._varying(),
            same=[(shown(key), shown(spelled(value))) for key, value in same.items() if value is not None],
            plugins=sorted({f"{name}: {told}" for run in study.runs for name, told in run.plugins.items()}),
            level=round(100 * LEVEL),
            version=__version__,
            script=script,
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )

    def _name(self, row: Row, rows: list[Row]) -> str:
        """Return what tells a row from the others in a drawing."""
        several = len({other.model for other in rows}) > 1
        settings = [f"{key.removeprefix(row.group + '.')}={value}" for key, value in row.settings.items()]
        return self.shown(" ".join([*([row.model] if several else []), row.group, *settings]))

    def _forests(self, rows: list[Row]) -> list[tuple[str, str, Any]]:
        drawn = []
        for name, title in FORESTS.items():
            lines = [
                Line(self._name(row, rows), figure.mean, figure.interval, self.shown.tree(row.nulls.get(name, {})))
                for row in rows
                if (figure := row.figures.get(name)) is not None
            ]
            if lines:
                drawn.append((name, title, forest(f"forest-{name}", title, _without_p(lines))))
        return drawn

    def _varying(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return the settings in which runs differ, each with its values and how many runs have them."""
        found = []
        for key in self.directory.study.varying:
            values = [
                self.shown(spelled(run.settings[key])) for run in self.directory.study.runs if key in run.settings
            ]
            found.append((self.shown(key), [(value, values.count(value)) for value in dict.fromkeys(values)]))
        return found

    def _record(self, run: Run) -> Record:
        record: Record = self.directory.records[run.run_id]
        return record

    def _file(self, name: str) -> str | None:
        return name if (self.directory.path / name).exists() else None


def _without_p(lines: Iterable[Line]) -> list[Line]:
    """Return the lines without p-values, which stand among the nulls and are none."""
    return [
        Line(line.label, line.value, line.interval, {key: at for key, at in line.nulls.items() if key != "permuted_p"})
        for line in lines
    ]


def _command(run: Run) -> str:
    return command(run.config.model_dump(mode="json", exclude={"device"}), run.config.model, run.config.group)
