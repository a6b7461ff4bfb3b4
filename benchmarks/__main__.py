"""Run benchmarks and print their tables, or JSON."""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks import BENCHMARKS
from benchmarks.measure import machine, use_device
from benchmarks.telling import tell
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
    tell(name, import_module(f"benchmarks.{name}").run(), before, as_json, keep)


if __name__ == "__main__":
    main()
