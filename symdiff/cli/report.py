"""`symdiff report`: write the pages again, or put the figures of runs side by side."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import UsageError
from symdiff.nearest import did_you_mean

if TYPE_CHECKING:
    from symdiff.result import Result

FORMATS = ("html", "md", "csv", "json", "parquet")

COMPARISON = "comparison.json"
"""Makes a directory the comparison of several runs."""

BESIDE_RUNS = (COMPARISON, "index.html")
"""Files written beside run directories."""


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run directories, or those of studies.")],
    format: Annotated[
        str, typer.Option(metavar="LIST", help="Any of html, md, csv, json, parquet (of a study), separated by commas.")
    ] = "html",
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Also show what changed from this run: a directory or, in a study, an id."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Write the report of finished runs again: html into each directory, tables to stdout.

    For a study its page, summary.csv and results.jsonl are written again, and results.parquet if asked for.
    """
    from symdiff.cli.study_report import StudyReport, split_studies

    formats = _formats(format)
    given, runs = split_studies(runs)
    runs = _expand(runs) if runs or not given else []
    if "parquet" in formats:
        _refuse_parquet(runs)
    from symdiff import report as reports
    from symdiff.result import finite, load_result

    results = {str(run): load_result(run) for run in runs}
    reference = load_result(baseline) if baseline and runs else None
    studies = [StudyReport.of(path, str(baseline) if baseline else None) for path in given]
    pages = {str(run): str(reports.write_report(run)) for run in runs} if "html" in formats else {}
    index = _index(runs, baseline) if pages else None
    document: dict[str, Any] = {
        "schema": "symdiff.report/1",
        "baseline": str(baseline) if baseline else None,
        "index": index,
        "runs": [_entry(name, result, reference, pages.get(name)) for name, result in results.items()],
    }
    if studies:
        document["studies"] = [study.document() for study in studies]
    make = {
        "html": lambda: "\n".join([*pages.values(), *([index] if index else [])]) + "\n",
        "md": lambda: reports.markdown(results, reference),
        "csv": lambda: reports.csv(results, reference),
    }
    told = []
    for name in formats:
        if name == "json":
            told.append(dumps(finite(document), indent=2) + "\n")
            continue
        told += [make[name]()] if runs else []
        told += [study.writer(name)() for study in studies]
    return Outcome(document, "".join(told).removesuffix("\n"))


def _refuse_parquet(runs: list[Path]) -> None:
    if runs:
        raise UsageError(
            f"--format parquet is for studies, and {runs[0]} is a run", "give the directory of a study, or choose csv"
        )
    from symdiff.batch.exports import refuse_without_pyarrow

    refuse_without_pyarrow()


def _expand(given: list[Path]) -> list[Path]:
    """Return the run directories: a comparison stands for its runs, and files beside runs are passed over.

    So ``symdiff report runs/*`` works whatever ``symdiff`` has written to ``runs``.
    """
    found: list[Path] = []
    for path in given:
        if path.name in BESIDE_RUNS and path.is_file():
            continue
        if (path / COMPARISON).is_file() and not (path / "result.json").exists():
            found += sorted(inner.parent for inner in path.glob("*/result.json"))
        else:
            found.append(path)
    if not found:
        raise UsageError(f"no run among {', '.join(map(str, given))}", "give run directories of `symdiff analyze`")
    return list(dict.fromkeys(found))


def _index(runs: list[Path], baseline: Path | None) -> str | None:
    """Write a page that lists several runs, if one folder holds them all."""
    from symdiff.report import write_index

    if len(runs) < 2 or len({run.resolve().parent for run in runs}) > 1:
        return None
    return str(write_index(runs, runs[0].parent / "index.html", baseline))


def _entry(name: str, result: Result, baseline: Result | None, page: str | None) -> dict[str, Any]:
    from symdiff.report import compare

    entry: dict[str, Any] = {
        "directory": name,
        "report": page,
        "model": result.model,
        "group": result.group,
        "structured": result.verdict.structured,
        "diagnostics": {key: estimate.model_dump(mode="json") for key, estimate in result.diagnostics.items()},
    }
    if baseline is not None:
        entry["differences"] = [{**asdict(item), "difference": item.difference} for item in compare(result, baseline)]
    return entry


def _formats(text: str) -> list[str]:
    chosen = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in chosen:
        if name not in FORMATS:
            hint = f"{did_you_mean(name, FORMATS)} known: {', '.join(FORMATS)}".strip()
            raise UsageError(f"there is no format {name!r}", hint)
    if not chosen:
        raise UsageError("--format names no format", f"known: {', '.join(FORMATS)}")
    return chosen
