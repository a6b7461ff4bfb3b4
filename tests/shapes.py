"""What the tests check of every call: types by beartype, and shapes where the annotations speak of them.

The import hook of jaxtyping binds the arguments of every function it decorates, and compiles it three times. For the
nine functions of ten whose annotations name no shapes, beartype alone finds the same.
"""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Callable
from typing import Any

import jaxtyping

with_shapes = jaxtyping.jaxtyped


def jaxtyped(*, typechecker: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """In place of ``jaxtyping.jaxtyped``: the same for what is annotated with shapes, else `typechecker` alone."""

    def decorate(decorated: Any) -> Any:
        if inspect.isfunction(decorated) and not names_shapes(decorated):
            written = dict(decorated.__annotations__)
            checked = typechecker(decorated)
            # Beartype puts what the annotations mean in their place, where others read them.
            decorated.__annotations__, checked.__annotations__ = dict(written), dict(written)
            return checked
        return with_shapes(typechecker=typechecker)(decorated)

    return decorate


def names_shapes(function: Callable[..., Any]) -> bool:
    """Whether an annotation of `function` has a type of jaxtyping, one made of it, or a name not known yet."""
    namespace = {**vars(builtins), **function.__globals__, function.__qualname__.split(".")[0]: None}
    for annotation in inspect.get_annotations(function).values():
        if not isinstance(annotation, str):
            values = [annotation]
        else:
            names = re.findall(r"(?<![\w.])[^\W\d]\w*", annotation)
            if not namespace.keys() >= set(names):  # imported for type checkers only, or defined further down
                return True
            values = [namespace[name] for name in names]
        if any("jaxtyping" in f"{getattr(value, '__module__', '')} {value!r}" for value in values):
            return True
    return False


def check_shapes(packages: list[str]) -> None:
    """Check every call of a function of these packages, which are not imported yet."""
    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]
    jaxtyping.install_import_hook(packages, "beartype.beartype")
