"""The report of one run: a single HTML page that needs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from symdiff.errors import DiskError
from symdiff.report import answer, equivariance_section, glossary, manifold_section, notation, parts
from symdiff.report.forms import COLUMNS, form_rows, price_of_exactness, what_training_earned
from symdiff.report.linear_parts import linear_parts_section
from symdiff.report.pictures import pictures
from symdiff.report.process_section import section
from symdiff.report.reproduce import command
from symdiff.report.rundata import RunData, read_run
from symdiff.result import Result

NULLS = {
    "identity": "identity",
    "scale": "scale",
    "blind": "blind",
    "permuted": "permuted",
    "untrained": "un\N{SOFT HYPHEN}trained",
    "haar": "random",
    "typical": "typical",
    "common_linear": "one map",
    "least_squares": "least squares",
    "pca": "PCA",
}
"""Column heads of the nulls and references, in order; one a plugin brings is shown under its own name."""


def write_report(run_dir: Path) -> Path:
    """Write ``report.html`` into a run directory, from the files already there.

    Parameters
    ----------
    run_dir
        A directory with ``result.json``; ``metrics.jsonl``, ``environment.json`` and ``figures.safetensors``
        add to the page where they are there.

    Returns
    -------
    Path
        The file written. Its bytes depend on the files of the run alone.

    Raises
    ------
    OutputError
        `run_dir` is not a directory.
    RefusedError
        It holds no readable ``result.json``.
    DiskError
        The page could not be written; an earlier one is left as it was.
    """
    return write_atomically(run_dir / "report.html", render(read_run(run_dir)))


def render(run: RunData) -> str:
    """The page of a run as HTML."""
    from symdiff.report.figures import figures  # matplotlib: pages without figures do not wait for it

    result = run.result
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            result=result,
            affine=answer.is_affine(result),
            plates_drawn=figures(run),
            pictures=pictures(run),
            sections=glossary.by_section(result.diagnostics),
            nulls=_null_heads(result),
            level=_common_level(result),
            form_heads=COLUMNS,
            form_rows=form_rows(result),
            price=price_of_exactness(result),
            earned=what_training_earned(result),
            notes=[*result.warnings, *run.notes],
            described=section(result.process),
            symmetry=equivariance_section.section(result.process),
            curve=manifold_section.section(result.process),
            linear=linear_parts_section(result.decomposition),
            parts=parts.section(result.decomposition, begun="start" in result.forms),
            command=command(result.config, result.model, result.group),
            settings_rows=flatten(result.config),
            surroundings=[row for row in flatten(run.environment) if row[0] != "schema"],
        )
    )


def environment() -> Environment:
    """Jinja2 with escaping on and the project's number formats as filters."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "number": notation.number,
        "interval": notation.interval,
        "setting": notation.setting,
        "seconds": notation.seconds,
        "meaning": glossary.meaning,
        "headline": answer.headline,
        "explanation": answer.explanation,
        "sentence": answer.sentence,
    }
    return templates


def write_atomically(file: Path, text: str) -> Path:
    """Write to a temporary name beside `file`, then rename.

    Raises
    ------
    DiskError
        The disk is full or the directory cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DiskError(f"{file} could not be written: {error}", "free some space or choose another folder") from error
    return file


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as ``(dotted name, text)``, in their order."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flatten(value, f"{name}.")
        elif isinstance(value, list | tuple):
            rows.append((name, ", ".join(map(str, value)) or notation.UNKNOWN))
        else:
            rows.append((name, notation.UNKNOWN if value is None else str(value)))
    return rows


def _null_heads(result: Result) -> dict[str, str]:
    """The nulls that at least one diagnostic has, known ones first."""
    found = {name for estimate in result.diagnostics.values() for name in estimate.null} - {"permuted_p"}
    heads = {name: head for name, head in NULLS.items() if name in found}
    return heads | {name: name.replace("_", " ") for name in sorted(found - NULLS.keys())}


def _common_level(result: Result) -> float | None:
    """The nominal coverage all intervals share, or ``None`` if they differ."""
    levels = {estimate.level for estimate in result.diagnostics.values() if estimate.interval is not None}
    return levels.pop() if len(levels) == 1 else None
