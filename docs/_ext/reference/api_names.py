"""Every public name: classes and functions with their members, for autodoc."""

from __future__ import annotations

import inspect

import symdiff

SHORT = ("GroupFamily", "Representation", "Denoiser", "Schedule", "Trajectories", "Sequences", "Decomposition")
"""Classes that are shown with all their public members."""


def markdown() -> str:
    """A section for functions, one a class, one for errors; each name is an entry of its own."""
    found = {name: getattr(symdiff, name) for name in symdiff.__all__}
    errors = [n for n, v in found.items() if inspect.isclass(v) and issubclass(v, symdiff.SymdiffError)]
    classes = [n for n, v in found.items() if inspect.isclass(v) and n not in errors]
    others = [n for n in found if n not in errors and n not in classes]
    text = "## Functions\n\n" + "".join(_entry(_directive(found[name]), name) for name in others)
    for name in [*SHORT, *(name for name in classes if name not in SHORT)]:
        text += f"## {name}\n\n" + _entry("autoclass", name, members=name in SHORT)
    return text + "## Errors\n\n" + "".join(_entry("autoexception", name) for name in errors)


def _directive(value: object) -> str:
    return "autofunction" if inspect.isroutine(value) else "py:data"


def _entry(directive: str, name: str, *, members: bool = False) -> str:
    options = "   :members:\n   :member-order: bysource\n" if members else ""
    return f"```{{eval-rst}}\n.. {directive}:: symdiff.{name}\n{options}```\n\n"
