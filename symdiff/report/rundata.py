"""What a run directory holds, read back for its report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from symdiff.errors import OutputError
from symdiff.result import Result, load_result


@dataclass(frozen=True)
class RunData:
    """The files of one run.

    Attributes
    ----------
    name
        Name of the directory.
    result
        ``result.json``.
    metrics
        One mapping a line of ``metrics.jsonl``: ``stage``, ``step`` and the losses.
    environment
        ``environment.json``; empty if there is none.
    arrays
        ``figures.safetensors`` as float arrays; any may be missing.
    notes
        What could not be read, for the reader of the report.
    """

    name: str
    result: Result
    metrics: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def array(self, name: str, ndim: int) -> Float[NDArray[Any], "..."] | None:
        """The array `name`, or ``None`` if it is missing, empty, without a finite entry or not of `ndim` axes."""
        array = self.arrays.get(name)
        if array is None or array.ndim != ndim or array.size == 0 or not np.isfinite(array).any():
            return None
        return array


def read_run(run_dir: Path) -> RunData:
    """Read a run directory; everything but ``result.json`` may be missing or damaged.

    Raises
    ------
    OutputError
        `run_dir` is not a directory.
    RefusedError
        ``result.json`` is missing or not a result.
    """
    if not run_dir.is_dir():
        raise OutputError(f"{run_dir} is not a run directory", "give the folder that `symdiff analyze` wrote")
    result = load_result(run_dir)
    notes: list[str] = []
    environment = _read_json(run_dir / "environment.json", notes)
    return RunData(
        name=run_dir.resolve().name,
        result=result,
        metrics=_read_metrics(run_dir / "metrics.jsonl", notes),
        environment=environment,
        arrays=_read_arrays(run_dir / "figures.safetensors", notes),
        notes=notes,
    )


def _read_json(file: Path, notes: list[str]) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        notes.append(f"{file.name} is unreadable: {error}")
        return {}
    return document if isinstance(document, dict) else {}


def _read_metrics(file: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The lines that are whole: a run killed while writing leaves half a line."""
    if not file.exists():
        return []
    rows: list[dict[str, Any]] = []
    damaged = 0
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            damaged += 1
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    if damaged:
        notes.append(f"{damaged} damaged line(s) of {file.name} left out")
    return rows


def _read_arrays(file: Path, notes: list[str]) -> dict[str, NDArray[np.float64]]:
    if not file.exists():
        return {}
    try:
        arrays = load_file(file)
    except (OSError, ValueError, SafetensorError) as error:
        notes.append(f"{file.name} is unreadable, its figures are left out: {error}")
        return {}
    return {name: array.astype(np.float64) for name, array in arrays.items() if array.dtype.kind in "fiu"}
