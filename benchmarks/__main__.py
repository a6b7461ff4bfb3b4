"""Run one benchmark and print its table, or JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS
from benchmarks.measure import Table, machine
from symdiff.allocator import keep_freed_memory


def main() -> None:
    names = "\n".join(f"  {name:24} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"What symdiff costs.\n\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--keep", action="store_true", help="also write it to benchmarks/results/DATE-NAME.json")
    arguments = parser.parse_args()

    keep_freed_memory()  # as the command line does
    before = machine()
    table: Table = import_module(f"benchmarks.{arguments.name}").run()
    now = datetime.now(UTC)
    document = {"benchmark": arguments.name, "date": now.isoformat(timespec="seconds"), "machine": before}
    document |= asdict(table)
    text = json.dumps(document, indent=1)
    print(text if arguments.json else as_text(table, before))
    if arguments.keep:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{now.date()}-{arguments.name}.json").write_text(text + "\n", encoding="utf-8")


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


if __name__ == "__main__":
    main()
