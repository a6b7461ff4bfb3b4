"""A numpydoc docstring as Markdown; enough of it for hooks and settings."""

from __future__ import annotations

import inspect
import re


def parsed(text: str | None) -> str:
    """The paragraphs of a docstring, its sections as lists, and since when it is there."""
    body = inspect.cleandoc(text or "")
    body = re.sub(r"\n*\.\. versionadded:: (\S+)", r"\n\n*Since version \1.*", body)
    body = re.sub(r"``(.+?)``", r"`\1`", body)
    body = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", body, flags=re.MULTILINE)
    # A name on a line of its own, its meaning indented below it.
    return re.sub(r"^(\w[\w, ]*)\n((?: {4}.+\n?)+)", _item, body, flags=re.MULTILINE).strip() + "\n"


def _item(found: re.Match[str]) -> str:
    names = ", ".join(f"`{name.strip()}`" for name in found[1].split(","))
    return f"* {names}: {' '.join(found[2].split())}\n"


def summary(text: str | None) -> str:
    """The first paragraph, on one line."""
    return " ".join(parsed(text).split("\n\n")[0].split())
