"""The page of `symdiff process`: a single HTML file that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symdiff.report import glossary
from symdiff.report.page import environment, flatten, write_atomically
from symdiff.report.process_section import section


def write_process_page(document: Mapping[str, Any], file: Path) -> Path:
    """Write the page of a document of schema ``symdiff.process/1``.

    Raises
    ------
    DiskError
        The page could not be written; an earlier one is left as it was.
    """
    return write_atomically(file, render_process(document))


def render_process(document: Mapping[str, Any]) -> str:
    """The page as HTML; its bytes depend on the document alone."""
    from symdiff.report.figures import process_figures  # matplotlib: pages without figures do not wait for it

    process = document["process"]
    settings = {
        "model": document["model"],
        "recording": document["recording"],
        "seed": document["seed"],
        "thorough": document["thorough"],
    }
    return (
        environment()
        .get_template("process.html.j2")
        .render(
            document=document,
            described=section(process),
            plates_drawn=process_figures(process),
            meanings=[(name, text) for name, text in glossary.of_process().items() if name in process],
            settings_rows=flatten(settings),
        )
    )
