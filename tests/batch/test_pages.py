"""The page of a study shows every run, whatever became of it."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from symdiff.batch.directory import StudyDirectory

OPTIONS = '[matrix.options.affine]\nrho = ["exact", "lie"]\n'


class Reader(HTMLParser):
    """The text of a page, cell by cell, and where it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.inside = False

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self.inside = {"td": True, "th": True}.get(tag, self.inside)
        self.links += [value for name, value in attributes if name in ("href", "src")]

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += f" {data.strip()}"


def read(directory: StudyDirectory) -> tuple[str, Reader]:
    text = (directory / "index.html").read_text()
    reader = Reader()
    reader.feed(text)
    return text, reader


def rows_with(reader: Reader, text: str) -> list[list[str]]:
    return [row for row in reader.rows if any(text in cell for cell in row)]


def test_seeds_are_merged_and_what_is_best_is_marked(go, file):
    file.write_text(file.read_text() + OPTIONS)
    text, reader = read(go(jobs=2))
    [exact], [lie] = ([r for r in rows_with(reader, f"affine.rho = {rho}") if len(r) > 5] for rho in ("exact", "lie"))
    # 0.1, 0.11, 0.12: mean 0.11, t(0.975, 2) * 0.01 / sqrt(3) = 0.0248
    assert "0.110 ★" in exact[5].replace("\xa0", " ")
    assert "[0.0852, 0.135], n = 3" in exact[5]
    assert "★" not in "".join(lie)
    assert "3 of 3 done" in exact[2]
    assert "not complete" not in text


def test_failed_and_missing_runs_are_shown(go, behaviour, file):
    file.write_text(file.read_text() + OPTIONS)
    behaviour(s1="refuse")
    text, reader = read(go(only="affine.rho=exact"))
    assert "1 failed" in text
    [lie] = [row for row in rows_with(reader, "affine.rho = lie") if len(row) > 5]
    assert "3 missing" in lie[2]
    assert [cell.strip() for cell in lie[5:]] == ["missing"] * len(lie[5:])
    [exact] = [row for row in rows_with(reader, "affine.rho = exact") if len(row) > 5]
    assert ("2 of 3 done" in exact[2], "1 failed" in exact[2], "n = 2" in exact[5]) == (True, True, True)
    [failed] = rows_with(reader, "the <loss> is NaN")
    assert "train less" in failed[1]
    assert "<loss>" not in text
    assert "/home/somebody" not in text
    states = [row[1].strip() for row in reader.rows[-200:] if len(row) == 4 and row[0].strip().startswith("gaussian")]
    assert (states.count("done"), states.count("failed"), states.count("to do")) == (2, 1, 3)


def test_a_row_whose_runs_all_failed_says_so_in_every_cell(go, behaviour):
    behaviour(s0="crash", s1="crash", s2="crash")
    directory = go()
    rows = list(csv.DictReader((directory / "summary.csv").read_text().splitlines()))
    assert [(row["diagnostic"], row["done"], row["failed"]) for row in rows] == [("", "0", "3")]
    assert "3 failed" in read(directory)[0]


def test_every_link_leads_somewhere_in_the_directory_and_nothing_is_loaded(go, behaviour):
    behaviour(s1="crash")
    directory = go()
    text, reader = read(directory)
    outside = [link for link in reader.links if not link.startswith("#")]
    assert len(outside) == 2 * 2 + 1
    for link in reader.links:
        assert not link.startswith("#") or f'id="{link[1:]}"' in text
    for link in outside:
        assert (directory.path / link).is_file()
        assert not Path(link).is_absolute()
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]*\bsrc|url\(|https?://", text)


def test_the_page_of_a_half_done_study_is_completed_by_the_same_command(go):
    text, _ = read(go(only="seed=0"))
    assert "2 to do" in text
    assert "not complete" in text
    text, _ = read(go())
    assert "3 done" in text


def test_results_and_summary_hold_every_run(go, behaviour):
    behaviour(s2="crash")
    directory = go()
    lines = [json.loads(line) for line in (directory / "results.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["done", "done", "failed"]
    assert lines[0]["diagnostics"]["homomorphism_error"] == 0.5
    assert lines[2]["cause"]["code"] == "crashed"
    rows = list(csv.DictReader((directory / "summary.csv").read_text().splitlines()))
    [error] = [row for row in rows if row["diagnostic"] == "homomorphism_error"]
    assert (float(error["mean"]), error["n"], error["done"], error["failed"]) == (0.505, "2", "2", "1")
    assert float(error["low"]) < 0.505 < float(error["high"])
