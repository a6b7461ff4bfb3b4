"""Run benchmarks and print their tables, or JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS
from benchmarks.limits import measured
from benchmarks.measure import Table, machine, use_device
from symdiff.allocator import keep_freed_memory


def main() -> None:
    names = "\n".join(f"  {name:24} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"What symdiff costs.\n\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all of them if none is named")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, for those that time tensors")
    parser.add_argument("--json", action="store_true", help="print one JSON document a benchmark")
    parser.add_argument("--keep", action="store_true", help="also write it to benchmarks/results/DATE-NAME.json")
    arguments = parser.parse_args()

    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    use_device(arguments.device)
    keep_freed_memory()  # as the command line does
    for name in arguments.names or BENCHMARKS:
        report(name, arguments.json, arguments.keep)


def report(name: str, as_json: bool, keep: bool) -> None:
    """Run one benchmark and print what it found."""
    before = machine()
    table: Table = import_module(f"benchmarks.{name}").run()
    now = datetime.now(UTC)
    document = {"benchmark": name, "date": now.isoformat(timespec="seconds"), "machine": before}
    document |= {"limits": measured(), **asdict(table)}
    text = json.dumps(document, indent=1)
    print(text if as_json else as_text(table, before | measured()), flush=True)
    if keep:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
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


if __name__ == "__main__":
    main()
