"""What each diagnostic means, and in which order they are shown."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OTHERS = "Further diagnostics"


@cache
def _sections() -> tuple[tuple[str, dict[str, str]], ...]:
    document = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
    return tuple((section["title"], section["meanings"]) for section in document["section"])


@cache
def of_process() -> dict[str, str]:
    """One line on each figure of a process."""
    document = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
    return dict(document["process"])


def meaning(name: str) -> str:
    """One line on what diagnostic `name` measures; empty for one a plugin brought, which describes it itself."""
    return next((meanings[name] for _, meanings in _sections() if name in meanings), "")


def by_section(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Sort `names` into titled sections, in reading order; unknown names come last, under `OTHERS`."""
    left = list(names)
    sections: list[tuple[str, list[str]]] = []
    for title, meanings in _sections():
        known = [name for name in meanings if name in left]
        left = [name for name in left if name not in known]
        if known:
            sections.append((title, known))
    return [*sections, (OTHERS, left)] if left else sections


def names() -> list[str]:
    """All diagnostics symdiff itself computes."""
    return [name for _, meanings in _sections() for name in meanings]
