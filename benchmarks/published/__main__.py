"""Analyse worlds over seeds, print the table, draw the pictures."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.measure import machine
from benchmarks.published import SEEDS, table
from benchmarks.published.pictures import draw
from benchmarks.published.worlds import TASKS
from benchmarks.telling import tell
from symdiff.allocator import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.published", description="The worlds of the homomorphism autoencoder, analysed."
    )
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"which: {', '.join(TASKS)}; displaced by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"seeds 0 to N - 1; {SEEDS} by default")
    parser.add_argument("--folder", type=Path, help="keep data and runs here, and go on with those that are there")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="draw latents, traversals and rollouts of seed 0"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document a world")
    parser.add_argument("--keep", action="store_true", help="also write it to benchmarks/results")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.worlds if name not in TASKS]
    if unknown:
        parser.error(f"no world {', '.join(unknown)}; there are {', '.join(TASKS)}")
    if arguments.seeds < 1:
        parser.error(f"--seeds is {arguments.seeds}: at least 1")
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for world in arguments.worlds or ["displaced"]:
            before = machine()
            found = table(world, range(arguments.seeds), folder)
            tell(f"published-{world}", found, before, arguments.json, arguments.keep)
            if arguments.pictures:
                draw(world, folder, arguments.pictures)


if __name__ == "__main__":
    main()
