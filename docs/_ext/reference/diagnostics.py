"""The name of every diagnostic and what it means, from the glossary of the reports."""

from __future__ import annotations

from reference.table import code, table
from symdiff.report import glossary


def of_rho() -> str:
    """The diagnostics of a trained model, by section."""
    sections = glossary.by_section(glossary.names())
    return "\n".join(f"### {title}\n\n{_table(names)}" for title, names in sections)


def of_process() -> str:
    """The figures of a process."""
    return table(["entry", "meaning"], [(code(name), text) for name, text in glossary.of_process().items()])


def _table(names: list[str]) -> str:
    return table(["diagnostic", "meaning"], [(code(name), glossary.meaning(name)) for name in names])
