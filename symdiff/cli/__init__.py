"""The command line. The only place that draws on a terminal, and the only one that knows exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    from symdiff.cli.running import run

    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))
