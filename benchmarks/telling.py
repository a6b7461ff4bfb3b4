"""A table as text or as a JSON document, printed and kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.limits import measured
from benchmarks.measure import Table


def tell(name: str, table: Table, on: dict[str, Any], as_json: bool, keep: bool) -> None:
    """Print what a benchmark found on a machine; `keep` also writes it to ``benchmarks/results/DATE-NAME.json``.

    On a GPU to ``DATE-NAME-gpu.json``.
    """
    now = datetime.now(UTC)
    document = {"benchmark": name, "date": now.isoformat(timespec="seconds"), "machine": on}
    document |= {"limits": measured(), **asdict(table)}
    text = json.dumps(document, indent=1)
    print(text if as_json else as_text(table, on | measured()), flush=True)
    if keep:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        name += "-gpu" if "gpu" in on else ""
        (folder / f"{now.date()}-{name}.json").write_text(text + "\n", encoding="utf-8")


def as_text(table: Table, on: dict[str, Any]) -> str:
    """The table with aligned columns, its conclusions, and the machine."""
    columns = list(dict.fromkeys(column for row in table.rows for column in row))
    cells = [columns, *([shown(row.get(column)) for column in columns] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    conclusions = [f"{name}: {shown(value)}" for name, value in table.conclusions.items()]
    described = ", ".join(f"{name} {value}" for name, value in on.items())
    return "\n".join([table.title, "", *lines, "", *conclusions, *table.notes, described])


def shown(value: Any) -> str:
    """A figure with three digits; nothing where there is none."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items())
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
