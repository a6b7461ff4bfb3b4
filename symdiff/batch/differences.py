"""The figures of a study less those of a baseline: seeds in pairs where both ran on the same trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symdiff.batch.merging import Finding, Row
from symdiff.batch.recorded import RecordedStudy
from symdiff.errors import UsageError
from symdiff.report.contrasts import over_seeds
from symdiff.result import load_result

RECORDED_BY = ("model", "model_digest", "sampler", "steps", "trajectories", "label", "guidance", "recording")
"""Settings that make other trajectories, beside the seed."""

OUTSIDE = -1
"""Stands for the seed of a run of which only its result is known."""


@dataclass(frozen=True)
class Baseline:
    """What figures are compared with.

    Attributes
    ----------
    name
        What it is called on the page.
    settings
        Its settings but the seed.
    figures
        Every diagnostic by seed.
    run_ids
        Its runs, if they are of this study: one row.
    """

    name: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Mapping[int, float]]
    run_ids: frozenset[str] = frozenset()


def find_baseline(
    wanted: str, recorded: RecordedStudy, rows: Sequence[Row], findings: Mapping[str, Finding]
) -> Baseline:
    """Return the baseline a run stands for: in the study all the seeds of its row, outside it that run alone.

    Parameters
    ----------
    wanted
        The beginning of a run's id, or the directory of a run.
    recorded
        The study.
    rows, findings
        Its rows, and what its finished runs found, by id.

    Raises
    ------
    UsageError
        It is neither, the beginning of several ids of different rows, or none of its runs is done.
    RefusedError
        The directory holds no readable result.
    """
    directory = Path(wanted)
    inside = directory.is_dir() and directory.resolve().parent == (recorded.path / "runs").resolve()
    start = directory.resolve().name if inside else wanted
    found = [row for row in rows if any(run.run_id == start for run in row.runs)]
    found = found or [row for row in rows if any(run.run_id.startswith(start) for run in row.runs)]
    if not inside and not found and directory.exists():
        result = load_result(directory)
        figures = {name: {OUTSIDE: item.value} for name, item in result.diagnostics.items() if item.value is not None}
        return Baseline(directory.resolve().name, result.config, figures)
    if len(found) != 1:
        said = (
            f"stands for {len(found)} rows" if found else "is neither the beginning of a run's id nor a run directory"
        )
        raise UsageError(
            f"--baseline {wanted!r} {said}", "the page and `symdiff batch status` have the ids of all runs"
        )
    [row] = found
    figures = {name: by_seed(row, name, findings) for name in row.figures}
    if not figures:
        raise UsageError(f"--baseline {wanted!r}: none of its runs is done", "choose a row that has results")
    name = " ".join([row.model, row.group, *(f"{key}={value}" for key, value in row.settings.items())])
    return Baseline(name, row.runs[0].settings, figures, frozenset(run.run_id for run in row.runs))


def on_same_trajectories(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Return whether runs with these settings and one seed are on the same trajectories, so that seeds pair."""
    return all(settings.get(key) == others.get(key) for key in RECORDED_BY)


def by_seed(row: Row, name: str, findings: Mapping[str, Finding]) -> dict[int, float]:
    """Return a diagnostic of a row by seed, of the runs that have it."""
    return {
        run.config.seed: value
        for run in row.runs
        if run.run_id in findings and (value := findings[run.run_id].figures.get(name)) is not None
    }


def against(baseline: Baseline, rows: Sequence[Row], findings: Mapping[str, Finding]) -> list[Row]:
    """Return the rows with the difference of every figure that the baseline has; the baseline itself has none."""
    return [
        row
        if any(run.run_id in baseline.run_ids for run in row.runs)
        else replace(
            row,
            differences={
                name: over_seeds(
                    by_seed(row, name, findings),
                    baseline.figures[name],
                    pair=on_same_trajectories(row.runs[0].settings, baseline.settings),
                )
                for name in row.figures
                if name in baseline.figures
            },
        )
        for row in rows
    ]
