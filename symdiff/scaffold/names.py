"""What a plugin may be called."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

from symdiff.errors import UsageError
from symdiff.hookspecs import NAMESPACE

LONGEST = 40

PREFIX = "symdiff-"


def check_name(name: str) -> str:
    """`name`, if a plugin can be called so: lower-case words of letters and digits, joined by ``-``.

    Raises
    ------
    UsageError
        It cannot, or an installed plugin is called so.
    """
    fits = re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) is not None
    if not fits or len(name) > LONGEST or name.startswith(PREFIX):
        raise UsageError(f"a plugin cannot be called {name!r}", _advice(name))
    taken = {entry.name for entry in entry_points(group=NAMESPACE)}
    if name in taken:
        raise UsageError(
            f"a plugin called {name!r} is installed already",
            f"choose another name; `symdiff plugins list` shows {', '.join(sorted(taken))}",
        )
    return name


def _advice(name: str) -> str:
    if name.startswith(PREFIX) and name != PREFIX:
        return f"the package is called {PREFIX}NAME by itself: symdiff new-plugin {name.removeprefix(PREFIX)}"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    mended = re.sub(r"[^a-z0-9]+", "-", words).strip("-0123456789")[:LONGEST].strip("-")
    rule = f"use lower-case letters, digits and '-', a letter first, at most {LONGEST}"
    return f"{rule}; try {mended!r}" if mended else rule
