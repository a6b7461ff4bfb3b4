"""`symdiff compare` and `symdiff report` of a study, as a user sees them."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest

from tests.batch.written import figure, figures, grid, result, settings, write_run, write_study


@pytest.fixture
def runs(tmp_path):
    """Two runs of one model whose errors are 0.2 and 0.1, each +- 10% at 95%."""
    for name, at, rho in (("a", 0.2, "lie"), ("b", 0.1, "exact")):
        write_run(tmp_path / name, result(settings(rho=rho), figures(at)))
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "study", grid())


# --- compare ----------------------------------------------------------------------------------


def test_runs_are_compared_by_their_own_intervals(symdiff, runs):
    ran = symdiff("compare", *runs, "--json")
    assert (ran.code, ran.document["schema"]) == (0, "symdiff.run-comparison/1")
    [error] = [item for item in ran.document["diagnostics"] if item["name"] == "homomorphism_error"]
    assert [item["value"] for item in error["values"]] == [0.2, 0.1]
    first, second = error["differences"]
    assert first is None
    assert second["difference"] == pytest.approx(-0.1)
    # Half widths 0.02 and 0.01 over 1.96.
    assert second["standard_error"] == pytest.approx((0.02**2 + 0.01**2) ** 0.5 / 1.959964, rel=1e-5)
    assert (second["how"], second["degrees_of_freedom"]) == ("intervals", None)
    assert second["probability_better"] > 0.999


def test_a_person_reads_what_is_compared_and_on_what_assumption(symdiff, runs):
    ran = symdiff("compare", *runs)
    assert ran.code == 0
    [line] = [line for line in ran.out.splitlines() if line.startswith("homomorphism_error")]
    assert line.split() == ["homomorphism_error", "↓", "0.2", "0.1", "-0.1", "0.0114", "1.000"]
    assert f"B: {runs[1]}" in ran.out
    assert "taken as normal and independent" in ran.out


def test_rows_of_a_study_are_compared_over_their_paired_seeds(symdiff, study):
    ran = symdiff("compare", f"{study}:model=gaussian", "--json")
    assert ran.code == 0
    assert [run["seeds"] for run in ran.document["runs"]] == [[0, 1, 2], [0, 1, 2]]
    [error] = [item for item in ran.document["diagnostics"] if item["name"] == "homomorphism_error"]
    found = error["differences"][1]
    assert (found["how"], found["n"], found["degrees_of_freedom"]) == ("paired", [3, 3], 2)
    assert found["difference"] == pytest.approx(0.06)
    assert found["probability_better"] < 1e-6


def test_seeds_on_other_trajectories_are_not_paired_and_told(symdiff, tmp_path):
    grid_of_two = [
        {"settings": settings(seed=seed) | {"steps": steps}, "diagnostics": figures(0.1 + 0.01 * seed)}
        for steps in (20, 50)
        for seed in range(3)
    ]
    ran = symdiff("compare", write_study(tmp_path / "s", grid_of_two), "--json")
    assert ran.document["diagnostics"][0]["differences"][1]["how"] == "welch"
    [warning] = ran.document["warnings"]
    assert "other trajectories" in warning
    assert "steps 50 against 20" in warning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "digits"}, "another model"),
        ({"diagnostics": {"homomorphism_error": figure(0.1, level=0.9)}}, "level 0.9"),
        ({"diagnostics": {"homomorphism_error": figure(0.1, "higher")}}, "better is higher"),
        ({"schema": "symdiff.result/2"}, "symdiff.result/2"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(symdiff, runs, tmp_path, change, message):
    write_run(tmp_path / "c", result(settings(), figures(0.1)) | change)
    ran = symdiff("compare", runs[0], tmp_path / "c", "--json")
    assert ran.code == 2
    assert ran.document["code"] == ("refused" if "schema" in change else "incomparable")
    assert message in ran.document["message"]


def test_another_version_is_compared_with_a_warning(symdiff, runs, tmp_path):
    write_run(tmp_path / "c", result(settings(), figures(0.1), symdiff_version="0.0.1"))
    ran = symdiff("compare", runs[0], tmp_path / "c", "--json")
    assert ran.code == 0
    assert any("different versions: 0.0.1" in warning for warning in ran.document["warnings"])


def test_single_runs_of_other_seeds_differ_by_chance_too(symdiff, runs, tmp_path):
    write_run(tmp_path / "c", result(settings(seed=3), figures(0.1)))
    assert "seed 3" in symdiff("compare", runs[0], tmp_path / "c", "--json").document["warnings"][0]


def test_one_run_is_nothing_to_compare(symdiff, runs):
    assert symdiff("compare", runs[0], "--json").document["code"] == "usage"
    assert symdiff("compare", runs[0], "nowhere", "--json").document["code"] == "refused"


# --- report of a study ------------------------------------------------------------------------


def test_the_pages_of_a_study_are_made_again_from_its_directory(symdiff, study):
    ran = symdiff("report", study)
    assert (ran.code, ran.out) == (0, f"{study / 'index.html'}\n")
    assert len((study / "results.jsonl").read_text().splitlines()) == 12
    before = (study / "index.html").read_bytes()
    assert symdiff("report", study).code == 0
    assert (study / "index.html").read_bytes() == before


def test_a_half_done_study_has_pages_too(symdiff, tmp_path):
    half = [*grid()[:4], {"settings": settings("digits", seed=8), "cause": "it broke"}]
    half.append({"settings": settings("digits", seed=9)})
    study = write_study(tmp_path / "half", half)
    ran = symdiff("report", study, "--json")
    assert ran.code == 0
    [told] = ran.document["studies"]
    assert told["counts"] == {"done": 4, "failed": 1, "running": 0, "todo": 1}
    assert "it broke" in (study / "index.html").read_text()


@pytest.mark.parametrize("way", ["id", "directory"])
def test_every_figure_is_also_told_as_its_difference_from_a_baseline(symdiff, study, way):
    run = "r000" if way == "id" else str(study / "runs" / "r000-affine")
    ran = symdiff("report", study, "--baseline", run, "--format", "html,csv,json")
    assert ran.code == 0
    document = json.loads(ran.out[ran.out.index("{\n") :])
    first, second, third, _ = document["studies"][0]["rows"]
    assert first["differences"] == {}
    error = second["differences"]["homomorphism_error"]
    assert (error["how"], error["n"]) == ("paired", [3, 3])
    assert error["interval"] == pytest.approx([0.06, 0.06])
    assert third["differences"]["homomorphism_error"]["how"] == "welch"
    text = (study / "index.html").read_text()
    assert "the baseline" in text
    assert "Δ 0.0600<br>[0.0600, 0.0600]<br>paired, n = 3" in text
    assert "Welch, n = 3, 3" in text
    rows = list(csv.DictReader(io.StringIO((study / "summary.csv").read_text())))
    assert {row["difference_how"] for row in rows} == {"", "paired", "welch"}


def test_a_run_outside_the_study_is_a_baseline_without_an_interval(symdiff, study, runs):
    ran = symdiff("report", study, "--baseline", runs[0], "--json")
    found = ran.document["studies"][0]["rows"][0]["differences"]["homomorphism_error"]
    assert (found["how"], found["interval"]) == ("none", None)
    assert found["difference"] == pytest.approx(0.021 - 0.2)


@pytest.mark.parametrize(("baseline", "message"), [("r", "stands for 4 rows"), ("nobody", "neither")])
def test_a_baseline_that_is_nobody_or_everybody_is_refused(symdiff, study, baseline, message):
    ran = symdiff("report", study, "--baseline", baseline, "--json")
    assert (ran.code, ran.document["code"]) == (2, "usage")
    assert message in ran.document["message"]
    assert not (study / "index.html").exists()


def test_the_results_are_written_as_parquet_a_row_a_run(symdiff, study):
    parquet = pytest.importorskip("pyarrow.parquet")
    ran = symdiff("report", study, "--format", "parquet")
    assert (ran.code, ran.out) == (0, f"{study / 'results.parquet'}\n")
    table = parquet.read_table(study / "results.parquet")
    assert table.num_rows == 12
    assert table.column("diagnostics.homomorphism_error").to_pylist()[0] == pytest.approx(0.02)
    assert table.column("settings.seed").to_pylist()[:3] == [0, 1, 2]
    assert set(table.column("state").to_pylist()) == {"done"}


def test_without_pyarrow_the_command_that_adds_it_is_told(symdiff, study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = symdiff("report", study, "--format", "parquet,html", "--json")
    assert (ran.code, ran.document["code"]) == (2, "missing-extra")
    assert ran.document["hint"] == "pip install 'symdiff-toolkit[parquet]'"
    assert not (study / "index.html").exists()


def test_parquet_is_for_studies_and_tables_are_for_both(symdiff, study, runs):
    assert symdiff("report", runs[0], "--format", "parquet", "--json").document["code"] == "usage"
    ran = symdiff("report", study, "--format", "md")
    assert ran.out.count("\n| gaussian |") == 2
    assert symdiff("report", study, "--format", "csv").out.startswith("model,group,settings")
