"""The command line. The only place that draws on a terminal, and the only one that knows exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    try:
        from symdiff.allocator import keep_freed_memory
        from symdiff.cli.running import run

        keep_freed_memory()
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # before a command began, or after it ended
        print("error: interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
