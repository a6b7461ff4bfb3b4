"""Every error a user can meet, its code in JSON and its exit code."""

from __future__ import annotations

import inspect

from reference.docstring import summary
from reference.table import code, table
from symdiff import errors


def kinds() -> list[type[errors.SymdiffError]]:
    """Every kind of error, in the order of the file."""
    found = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return [kind for kind in found if issubclass(kind, errors.SymdiffError)]


def markdown() -> str:
    """One table: exit code, code, class, meaning."""
    rows = [
        (str(kind.exit_code), code(kind.code), code(kind.__name__), summary(kind.__doc__))
        for kind in sorted(kinds(), key=lambda kind: kind.exit_code)
    ]
    return table(["exit", "code", "class", "meaning"], rows)
