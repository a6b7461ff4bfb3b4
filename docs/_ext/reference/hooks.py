"""Every hook: its exact signature and its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from reference.docstring import parsed
from symdiff import hookspecs


def hooks() -> dict[str, Callable[..., Any]]:
    """The hooks by name, in the order of their definition."""
    return {name: value for name, value in vars(hookspecs).items() if name.startswith("symdiff_")}


def markdown() -> str:
    """A section a hook."""
    return "\n".join(_section(name, hook) for name, hook in hooks().items())


def _section(name: str, hook: Callable[..., Any]) -> str:
    # The annotations are text, so that the signature is the one that was written.
    signature = str(inspect.signature(hook)).replace("'", "")
    return f"## {name}\n\n```python\ndef {name}{signature}\n```\n\n{parsed(hook.__doc__)}\n"
