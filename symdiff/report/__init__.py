"""Reports: one self-contained page a run, several runs as Markdown, CSV or an index, one against another.

Nothing here needs torch: a report is made from the files of a run alone. The names below are imported when first
used, because most commands need no drawing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.report.candidates import Candidate, in_words, ranking
    from symdiff.report.comparison import Difference, compare
    from symdiff.report.index import write_index
    from symdiff.report.page import write_report
    from symdiff.report.process_page import write_process_page
    from symdiff.report.tables import csv, markdown

_HOME = {
    "Candidate": "symdiff.report.candidates",
    "Difference": "symdiff.report.comparison",
    "compare": "symdiff.report.comparison",
    "csv": "symdiff.report.tables",
    "in_words": "symdiff.report.candidates",
    "markdown": "symdiff.report.tables",
    "ranking": "symdiff.report.candidates",
    "write_index": "symdiff.report.index",
    "write_process_page": "symdiff.report.process_page",
    "write_report": "symdiff.report.page",
}

__all__ = [
    "Candidate",
    "Difference",
    "compare",
    "csv",
    "in_words",
    "markdown",
    "ranking",
    "write_index",
    "write_process_page",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
