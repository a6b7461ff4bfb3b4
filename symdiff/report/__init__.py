"""Reports: one self-contained page a run, several runs as Markdown, CSV or an index, one against another.

Nothing here needs torch: a report is made from the files of a run alone.
"""

from __future__ import annotations

from symdiff.report.comparison import Difference, compare
from symdiff.report.index import write_index
from symdiff.report.page import write_report
from symdiff.report.tables import csv, markdown

__all__ = ["Difference", "compare", "csv", "markdown", "write_index", "write_report"]
