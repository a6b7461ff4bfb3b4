"""The command line. The only place that draws on a terminal."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
