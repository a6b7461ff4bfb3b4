"""Where in a TOML file a key stands; `tomllib` does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Return the line, from 1, on which the key at `path` begins, or its nearest table if it has none of its own.

    The file is read again and again, a line more each time, until the key is there: whatever way of writing it
    TOML allows is understood. That is quadratic, for a file that a person writes and an error that stops everything.

    Parameters
    ----------
    text
        A whole TOML file, without errors.
    path
        Names of the tables and of the key, outermost first.

    Returns
    -------
    int or None
        ``None`` if not even the outermost table is there.
    """
    lines = text.splitlines()
    for depth in range(len(path), 0, -1):
        found = _first(lines, path[:depth])
        if found is not None:
            return found
    return None


def _first(lines: list[str], path: Sequence[str]) -> int | None:
    complete = 0
    for end in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # amid a value of several lines
        if _holds(table, path):
            # The value began after the last line up to which the file was complete without it.
            begins = range(complete, end)
            return next((at + 1 for at in begins if lines[at].strip() and not lines[at].strip().startswith("#")), end)
        complete = end
    return None


def _holds(table: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(table, dict) or name not in table:
            return False
        table = table[name]
    return True
