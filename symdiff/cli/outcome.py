"""What a command hands back: one document for programs, one text for people."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symdiff.errors import SymdiffError


@dataclass(frozen=True)
class Outcome:
    """The result of a command.

    Attributes
    ----------
    document
        What ``--json`` prints: exactly one JSON document.
    text
        What is printed otherwise: a string or something rich can draw.
    failure
        Why the command exits with an error though it has a result, such as a gate that tripped.
    """

    document: Mapping[str, Any]
    text: Any
    failure: SymdiffError | None = None


def print_outcome(outcome: Outcome, as_json: bool) -> None:
    """Print the result to stdout, and nothing else."""
    if as_json:
        print_json(outcome.document)
        return
    from rich.console import Console

    # Piped text keeps its lines whole; rich honours NO_COLOR and draws no colours into a pipe by itself.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False)
    console.print(outcome.text, soft_wrap=isinstance(outcome.text, str))


def print_error(error: SymdiffError, as_json: bool) -> None:
    """Tell people on stderr what happened and what to do; with ``--json`` also programs on stdout."""
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    if as_json:
        print_json(error_document(error))


def error_document(error: SymdiffError) -> dict[str, Any]:
    """Return the document of an error."""
    return {"schema": "symdiff.error/1", "code": error.code, "message": error.message, "hint": error.hint}


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document; NaN and infinities become null."""
    sys.stdout.write(json.dumps(_finite(document), indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
