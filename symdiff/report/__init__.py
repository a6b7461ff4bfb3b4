"""Reports: one self-contained page a run, several runs as Markdown, CSV or an index, one against another.

Nothing here needs torch: a report is made from the files of a run alone. The names below are imported when first
used, because most commands need no drawing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.report.comparison import Difference, compare
    from symdiff.report.index import write_index
    from symdiff.report.page import write_report
    from symdiff.report.process_page import write_process_page
    from symdiff.report.tables import csv, markdown

_HOME = {
    "Difference": "symdiff.report.comparison",
    "compare": "symdiff.report.comparison",
    "csv": "symdiff.report.tables",
    "markdown": "symdiff.report.tables",
    "write_index": "symdiff.report.index",
    "write_process_page": "symdiff.report.process_page",
    "write_report": "symdiff.report.page",
}

__all__ = ["Difference", "compare", "csv", "markdown", "write_index", "write_process_page", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
