"""An index of several runs: their verdicts side by side, each linked to its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from symdiff.errors import SymdiffError
from symdiff.report.candidates import in_words, ranking
from symdiff.report.comparison import Difference, compare
from symdiff.report.manifolds import manifold_ranking, manifolds_in_words
from symdiff.report.page import environment, write_atomically
from symdiff.result import Result, load_result

FIGURES = {
    "homomorphism_error": "homomorphism error",
    "action_energy": "action energy",
    "equivariance_skill": "equivariance skill",
    "prediction_error": "prediction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3",
    "reconstruction_error": "reconstruction N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3",
}
"""Diagnostics shown in the index."""


@dataclass(frozen=True)
class Entry:
    """One run of the index: its name, a relative link to its report if there is one, and what it found."""

    name: str
    link: str | None
    result: Result
    changes: list[Difference]


def write_index(run_dirs: Sequence[Path], out: Path, baseline: Path | None = None) -> Path:
    """Write an HTML page that lists runs.

    Parameters
    ----------
    run_dirs
        Directories of runs. One without a readable result is named on the page, and the rest are shown.
    out
        The page to write; its links are relative to it.
    baseline
        A run to compare each with.

    Raises
    ------
    RefusedError
        `baseline` holds no readable result.
    DiskError
        The page could not be written.
    """
    reference = None if baseline is None else load_result(baseline)
    entries: list[Entry] = []
    problems: list[str] = []
    for directory in run_dirs:
        try:
            result = load_result(directory)
        except SymdiffError as error:
            problems.append(error.message)
            continue
        report = directory / "report.html"
        link = quote(Path(os.path.relpath(report, out.parent)).as_posix()) if report.exists() else None
        itself = baseline is not None and directory.resolve() == baseline.resolve()
        changes = [] if reference is None or itself else compare(result, reference)
        entries.append(Entry(directory.resolve().name, link, result, changes))
    candidates = ranking({entry.name: entry.result for entry in entries})
    manifolds = manifold_ranking({entry.name: entry.result for entry in entries})
    page = environment().get_template("index.html.j2")
    text = page.render(
        entries=entries,
        problems=problems,
        heads=FIGURES,
        baseline=baseline and baseline.resolve().name,
        candidates=candidates,
        ranked=in_words(candidates),
        manifolds=manifolds,
        manifolds_ranked=manifolds_in_words(manifolds),
    )
    return write_atomically(out, text)
