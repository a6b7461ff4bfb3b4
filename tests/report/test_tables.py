"""Numbers, the table of forms, runs side by side, and the command that makes a run again."""

from __future__ import annotations

import csv as csv_format
import io
import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.errors import RefusedError
from symdiff.report import compare, csv, markdown, write_index, write_report
from symdiff.report.forms import form_rows, price_of_exactness, what_training_earned
from symdiff.report.notation import UNKNOWN, interval, number, seconds, setting
from symdiff.report.reproduce import command
from symdiff.result import Result, load_result

MakeRun = Callable[..., Path]
Document = dict[str, Any]


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"), (1.0, "1"), (128, "128"), (0.03123, "0.0312"), (0.5, "0.500"), (12.345, "12.3"), (1834.4, "1834"),
        (1e-7, "1e-7"), (2.31e-7, "2.3e-7"), (9.99e-5, "1e-4"), (4e-14, "4e-14"), (3.2e9, "3.2e9"), (None, "—"),
        (math.nan, "—"), (-math.inf, "—"), (-0.21, "\N{MINUS SIGN}0.210"), ("supported", "supported"),
    ],
)  # fmt: skip
def test_numbers_are_written_with_two_or_three_digits(value: object, written: str) -> None:
    assert number(value) == written


@given(st.floats(-1e300, 1e300).filter(lambda x: x == 0 or abs(x) > 1e-300))
def test_a_written_number_reads_back_within_its_digits(value: float) -> None:
    assert float(number(value).replace("\N{MINUS SIGN}", "-")) == pytest.approx(value, rel=0.051)


@given(st.floats(1e-12, 1e12))
def test_a_setting_is_written_as_it_was_chosen(value: float) -> None:
    assert float(setting(value)) == pytest.approx(value, rel=1e-5)


def test_intervals_and_durations() -> None:
    assert interval((0.95, 0.97)) == "[0.950, 0.970]"
    assert interval((None, 0.97)) == f"[{UNKNOWN}, 0.970]"
    assert interval(None) == interval((None, None)) == UNKNOWN
    assert [seconds(value) for value in (0.84, 12.34, 245.0, None)] == ["840 ms", "12.3 s", "4 min 05 s", UNKNOWN]


# --- forms ------------------------------------------------------------------------------------


def result_with(make_run: MakeRun, change: Callable[[Document], Any] = lambda document: None) -> Result:
    result: Result = load_result(make_run(f"run-{id(change)}", change=change))
    return result


def reconstruction(document: Document, value: float, ends: tuple[float, float]) -> None:
    document["forms"]["lie-projected"]["reconstruction_error"] = value
    document["diagnostics"]["reconstruction_error"] |= {"value": value, "interval": list(ends)}


@pytest.mark.parametrize(
    ("value", "ends", "said"),
    [
        (0.40, (0.38, 0.42), "earned something beyond"),
        (0.51, (0.49, 0.53), "earned nothing beyond the linear model:"),
        (0.44, (0.42, 0.46), "that these data resolve"),
    ],
)
def test_training_earned_something_only_where_the_interval_says_so(
    value: float, ends: tuple[float, float], said: str, make_run: MakeRun
) -> None:
    result = result_with(make_run, lambda document: reconstruction(document, value, ends))
    text = what_training_earned(result)
    assert said in text
    assert number(value) in text
    assert "of the same m = 32 leaves 0.449" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_collapsed_model_earned_nothing(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        reconstruction(document, 0.1, (0.09, 0.11))
        document["verdict"]["structured"] = "collapsed"

    assert "the model collapsed" in what_training_earned(result_with(make_run, change))


@pytest.mark.parametrize("missing", ["lie-projected", "exact and pca", "value"])
def test_without_the_rows_nothing_is_claimed_about_training(missing: str, make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        if missing == "value":
            document["forms"]["lie-projected"]["reconstruction_error"] = None
        for form in missing.split(" and "):
            document["forms"].pop(form, None)

    assert "cannot be said" in what_training_earned(result_with(make_run, change))


def test_the_table_of_forms_has_the_price_of_exactness(make_run: MakeRun) -> None:
    result = result_with(make_run)
    rows = form_rows(result)
    assert [row.name for row in rows] == list(result.forms)
    assert [row.name for row in rows if row.trained] == ["lie-projected"]
    by_name = {row.name: row for row in rows}
    assert by_name["pca"].to_pca == 1
    assert by_name["mlp"].caution == "action_energy is 0.2 of that of exact"
    price = price_of_exactness(result)
    assert price is not None
    assert price[2] == pytest.approx(0.0104 - 0.0026)
    assert price_of_exactness(result_with(make_run, lambda document: document["forms"].pop("lie"))) is None


# --- several runs -----------------------------------------------------------------------------


def test_a_difference_counts_only_where_intervals_do_not_overlap(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["diagnostics"]["prediction_error"] |= {"value": 0.002, "interval": [0.0019, 0.0021]}
        document["diagnostics"]["equivariance_skill"] |= {"value": 0.5, "interval": [0.4, 0.6]}
        document["diagnostics"]["inverse_error"] |= {"value": 3.2e-8, "interval": [3.0e-8, 3.4e-8]}
        document["diagnostics"]["bracket_error"]["value"] = None
        document["diagnostics"].pop("identity_error")

    found = {item.name: item for item in compare(result_with(make_run, change), result_with(make_run))}
    assert found["prediction_error"].change == "better"
    assert found["prediction_error"].difference == pytest.approx(0.002 - 0.0104)
    assert found["equivariance_skill"].change == "worse"
    assert found["inverse_error"].change == "no difference resolved"
    assert found["bracket_error"].change == "unknown"
    assert found["bracket_error"].difference is None
    assert "identity_error" not in found


def test_csv_holds_every_figure_in_full_precision(make_run: MakeRun) -> None:
    result = result_with(make_run)
    rows = list(csv_format.DictReader(io.StringIO(csv({"a,b": result}, result))))
    assert [row["diagnostic"] for row in rows] == list(result.diagnostics)
    assert {row["run"] for row in rows} == {"a,b"}
    for row in rows:
        estimate = result.diagnostics[row["diagnostic"]]
        assert float(row["value"]) == estimate.value
        assert float(row["difference"]) == 0
        assert row["low"] == ("" if estimate.interval is None else repr(estimate.interval[0]))


def test_markdown_puts_runs_side_by_side_and_cannot_be_broken_by_names(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["model"] = "a|b\n<c>"

    text = markdown({"first": result_with(make_run), "se|cond": result_with(make_run, change)})
    lines = text.splitlines()
    table = lines[: lines.index("")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert "a\\|b &lt;c>" in text
    assert "**not supported**" in text
    assert "2.3e-7 [2.2e-7, 2.4e-7] (caution)" in text
    assert "- first, homomorphism_error: also zero for the blind family" in text


def test_the_index_links_reports_and_names_what_is_no_run(make_run: MakeRun, tmp_path: Path) -> None:
    first, second = make_run("first run"), make_run("second", change=lambda document: document.update(model="<b>"))
    write_report(first)
    text = write_index([first, second, tmp_path / "nowhere"], tmp_path / "index.html", baseline=first).read_text(
        "utf-8"
    )
    assert '<a href="first%20run/report.html">first run</a>' in text
    assert "second/report.html" not in text
    assert "nowhere" in text
    assert "&lt;b&gt;" in text
    assert text.count(" against first run.</caption>") == 1
    with pytest.raises(RefusedError, match="no result"):
        write_index([first], tmp_path / "index.html", baseline=tmp_path)


# --- the command ------------------------------------------------------------------------------


def test_the_command_names_every_setting_that_is_set(make_run: MakeRun) -> None:
    result = result_with(make_run)
    words = shlex.split(command(result.config, result.model, result.group))
    assert words[:5] == ["symdiff", "analyze", "digits", "--group", "affine"]
    assert "gauge=v" in words
    assert words[words.index("--train-steps") + 1] == "2500"
    assert "--compare-forms" in words
    assert "--thorough" not in words


@given(model=st.text(min_size=1), value=st.text())
def test_the_command_survives_a_shell_whatever_the_names(model: str, value: str) -> None:
    words = shlex.split(command({"options": {"key": value}, "sampler": value}, model, "affine"))
    assert words == ["symdiff", "analyze", model, "--group", "affine", "-o", f"key={value}", "--sampler", value]
