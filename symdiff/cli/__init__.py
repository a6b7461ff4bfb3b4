"""The command line. The only place that draws on a terminal, and the only one that knows exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    _open_what_is_closed()
    try:
        from symdiff.allocator import keep_freed_memory
        from symdiff.cli.running import run

        keep_freed_memory()
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # before a command began, or after it ended
        print("error: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Give a process begun with ``>&-`` or ``2>&-`` an empty stream, not the next file it opens as its output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)
