"""The part of `symdiff report` for the directory of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symdiff.batch.pages import Pages


@dataclass(frozen=True)
class StudyReport:
    """The pages of a study, read from its directory; nothing is written before a format is asked for.

    Attributes
    ----------
    path
        The directory.
    pages
        Its pages.
    """

    path: Path
    pages: Pages

    @classmethod
    def of(cls, path: Path, baseline: str | None) -> StudyReport:
        """Read the directory of a study, and find the baseline in or beside it."""
        from symdiff.batch.differences import find_baseline
        from symdiff.batch.pages import Pages
        from symdiff.batch.recorded import read_recorded

        recorded = read_recorded(path)
        pages = Pages(recorded)
        if baseline is not None:
            pages.baseline = find_baseline(baseline, recorded, pages.rows(), pages.findings())
        return cls(path, pages)

    def html(self) -> str:
        """Write the page and the tables beside it, and return where the page is."""
        self.pages.write(at_last=True)
        return f"{self.path / 'index.html'}\n"

    def parquet(self) -> str:
        """Write ``results.parquet``, and return where it is."""
        from symdiff.batch.exports import write_parquet

        return f"{write_parquet(self.pages.lines(), self.path / 'results.parquet')}\n"

    def csv(self) -> str:
        """Return what ``summary.csv`` holds."""
        from symdiff.batch.exports import summary

        return summary(self.pages.rows(), self.pages.shown)

    def md(self) -> str:
        """Return the table of the page as Markdown."""
        from symdiff.batch.exports import markdown
        from symdiff.report.index import FIGURES

        return markdown(self.pages.rows(), FIGURES, self.pages.shown)

    def document(self) -> dict[str, Any]:
        """Return the rows with their figures, and their differences where there is a baseline."""
        from symdiff.batch.directory import counts

        study, baseline = self.pages.directory.study, self.pages.baseline
        return {
            "directory": str(self.path),
            "name": study.name,
            "counts": counts(self.pages.directory.records),
            "baseline": baseline and baseline.name,
            "rows": [
                {
                    "model": row.model,
                    "group": row.group,
                    "settings": dict(row.settings),
                    "runs": [run.run_id for run in row.runs],
                    "states": dict(row.states),
                    "structured": dict(row.verdicts),
                    "decomposition": dict(row.decompositions),
                    "diagnostics": {name: asdict(figure) for name, figure in row.figures.items()},
                    "differences": {
                        name: {
                            "difference": item.difference,
                            "standard_error": item.standard_error,
                            "interval": item.interval(),
                            "how": item.how,
                            "n": item.n,
                        }
                        for name, item in row.differences.items()
                    },
                }
                for row in self.pages.rows()
            ],
        }

    def writer(self, format: str) -> Callable[[], str]:
        """Return what makes a format, of those that are no JSON."""
        return {"html": self.html, "parquet": self.parquet, "csv": self.csv, "md": self.md}[format]


def split_studies(given: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the directories of studies, and the other paths."""
    from symdiff.batch.recorded import is_study

    studies = [path for path in given if is_study(path)]
    return studies, [path for path in given if path not in studies]
