"""`symdiff analyze`: which runs it makes, where they go, and what becomes of their results."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from symdiff.cli.analyze import _summary
from symdiff.errors import NonFiniteError
from symdiff.result import Estimate, Result, load_result


def test_a_run_goes_to_the_folder_named_after_it_and_prints_its_result(symdiff, analysis):
    ran = symdiff("analyze", "gaussian", "--seed", "3", "-o", "rho=lie", "--json")
    [call] = analysis.calls
    assert call["out"] == Path("runs") / call["config"].run_id
    assert (call["config"].model, call["config"].seed, call["config"].options["rho"]) == ("gaussian", 3, "lie")
    assert (ran.code, Result.model_validate(ran.document)) == (0, load_result(call["out"]))


def test_the_options_a_run_gets_are_complete(symdiff, analysis):
    symdiff("analyze", "-o", "rho=lie")
    symdiff("analyze", "-o", "rho=lie", "-o", "gauge=v")
    first, second = (call["config"] for call in analysis.calls)
    assert first.options["gauge"] == "v"
    assert first.run_id == second.run_id


def test_people_read_the_verdict_first(symdiff, analysis):
    lines = symdiff("analyze").out.splitlines()
    assert lines[0] == "digits under the affine group: supported. both claims hold"
    assert any(line.split() == ["homomorphism_error", "0.02", "[0.01,", "0.03]"] for line in lines)
    assert lines[-1].startswith("result: runs/digits-affine-")


def test_a_dry_run_shows_the_plan_and_does_nothing(symdiff, analysis):
    ran = symdiff("analyze", "--dry-run", "--steps", "30", "--fail-on", "homomorphism_error > .1", "--json")
    [run] = ran.document["runs"]
    assert (ran.code, run["state"], run["cached"], run["config"]["steps"]) == (0, "new", False, 30)
    assert run["directory"] == f"runs/{run['run_id']}"
    assert ran.document["fail_on"] == ["homomorphism_error>0.1"]
    assert (analysis.calls, list(Path().iterdir())) == ([], [])
    text = symdiff("analyze", "--dry-run", "--steps", "30").out
    assert text.startswith(f"{run['run_id']} in {run['directory']}: to do\n")
    assert "  steps = 30\n" in text


def test_the_command_line_wins_over_variables_over_the_file(symdiff, analysis, monkeypatch):
    Path("run.toml").write_text("steps = 20\nseed = 20\nlength = 4\n[options]\nrho = 'exact'\ngauge = 'eps'\n")
    monkeypatch.setenv("SYMDIFF_STEPS", "30")
    monkeypatch.setenv("SYMDIFF_SEED", "30")
    symdiff("analyze", "--config", "run.toml", "--steps", "40", "-o", "rho=lie")
    config = analysis.calls[0]["config"]
    assert (config.steps, config.seed, config.length, config.trajectories) == (40, 30, 4, 512)
    assert (config.options["rho"], config.options["gauge"]) == ("lie", "eps")


def test_flags_of_the_invocation_reach_the_analysis(symdiff, analysis):
    symdiff("analyze", "--force", "--rescore")
    symdiff("analyze")
    assert [(call["force"], call["rescore"]) for call in analysis.calls] == [(True, True), (False, False)]


def test_candidates_make_one_run_each_and_one_document(symdiff, analysis):
    ran = symdiff("analyze", "-o", "rho=lie", "-o", "rho=exact", "--out", "both", "--json")
    assert [(str(call["out"]), call["config"].options["rho"]) for call in analysis.calls] == [
        ("both/affine-1", "lie"),
        ("both/affine-2", "exact"),
    ]
    assert ran.document["schema"] == "symdiff.comparison/1"
    assert [run["directory"] for run in ran.document["runs"]] == ["both/affine-1", "both/affine-2"]
    assert [run["verdict"]["structured"] for run in ran.document["runs"]] == ["supported", "supported"]
    assert json.loads(Path("both/comparison.json").read_text()) == ran.document
    assert "affine-2" in Path("both/index.html").read_text()


def test_a_run_that_fails_leaves_the_other_candidates_alone(symdiff, analysis):
    analysis.errors["affine-1"] = NonFiniteError("the loss is NaN at step 7", "lower the learning rate")
    ran = symdiff("analyze", "-o", "rho=lie", "-o", "rho=exact", "--out", "both", "--json")
    first, second = ran.document["runs"]
    assert (ran.code, first["status"], second["status"]) == (1, "failed", "done")
    assert first["error"]["message"] == "the loss is NaN at step 7"
    assert "error: the loss is NaN at step 7" in ran.err


def test_a_comparison_does_not_go_into_a_run(symdiff, analysis):
    Path("run").mkdir()
    Path("run/config.json").write_text("{}")
    ran = symdiff("analyze", "-o", "rho=lie", "-o", "rho=exact", "--out", "run", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")


@pytest.mark.parametrize(
    ("value", "gate", "code"),
    [
        (0.2, "homomorphism_error>0.1", 5),
        (0.05, "homomorphism_error>0.1", 0),
        (0.1, "homomorphism_error>=0.1", 5),
        (0.1, "homomorphism_error<0.1", 0),
        (None, "homomorphism_error>0.1", 5),
    ],
)
def test_a_gate_decides_the_exit_code_and_leaves_the_result(symdiff, analysis, value, gate, code):
    analysis.value = value
    ran = symdiff("analyze", "--fail-on", gate, "--json")
    assert ran.code == code
    assert ran.document["diagnostics"]["homomorphism_error"]["value"] == value
    assert ("--fail-on" in ran.err) == (code == 5)


def test_a_gate_names_the_candidate_that_trips_it(symdiff, analysis):
    ran = symdiff("analyze", "-o", "rho=lie", "-o", "rho=exact", "--fail-on", "homomorphism_error>0.01")
    assert ran.code == 5
    assert "affine-1: --fail-on 'homomorphism_error>0.01': homomorphism_error is 0.02" in ran.err


def test_an_answer_from_the_directory_says_so(symdiff, analysis):
    assert "answered from" not in symdiff("analyze", "--out", "run").err
    assert "answered from run; --force runs it again\n" in symdiff("analyze", "--out", "run").err
    assert symdiff("analyze", "--out", "run", "-q").err.replace("a library prints\n", "") == ""


def test_a_narrow_terminal_cuts_no_name_and_no_number(symdiff, analysis):
    symdiff("analyze", "--out", "run")
    estimate = Estimate(value=1.5, interval=(1.25, 1.75), n=3, caution="a caution of many words " * 4)
    result = load_result("run").model_copy(update={"diagnostics": {"homomorphism_error_consecutive": estimate}})
    console = Console(width=60, file=io.StringIO())
    console.print(_summary(result, Path("run")))
    lines = console.file.getvalue().splitlines()
    assert any(line.startswith("homomorphism_error_consecutive  1.5    [1.25, 1.75]") for line in lines)


def test_what_the_claims_say_is_not_said_twice(symdiff, analysis):
    assert symdiff("analyze", "--out", "run").out.count("as measured") == 3
    assert "both claims hold" in symdiff("analyze", "--out", "run").out
