"""Every request that cannot be carried out: its exit code, its message, its document, and no trace on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REFUSED = {
    "an unknown flag": (["--stpes", "3"], 2, "usage", "stpes"),
    "an unknown group": (["--group", "afine"], 3, "unknown-group", "no group family 'afine'; installed: actions"),
    "an unknown option": (["-o", "rhoo=lie"], 2, "config", "affine has no option 'rhoo'"),
    "an option of the wrong value": (["-o", "rho=nonsense"], 2, "config", "option rho of affine is 'nonsense'"),
    "an option without a value": (["-o", "rho"], 2, "config", "not of the form key=value"),
    "an option for another group": (["-o", "escnn.rho=lie"], 2, "config", "the groups asked for are affine"),
    "words for a number": (["--steps", "many"], 2, "usage", "Invalid value for '--steps'"),
    "a number out of range": (["--steps", "0"], 2, "config", "--steps is 0"),
    "a negative seed": (["--seed", "-1"], 2, "config", "--seed is -1"),
    "a missing file": (["--config", "absent.toml"], 2, "config", "cannot read the configuration absent.toml"),
    "a device of no kind": (["--device", "gpu"], 2, "config", "--device is 'gpu'"),
    "a gate that is none": (["--fail-on", "homomorphism_error"], 2, "usage", "is not a condition"),
    "a gate on nothing known": (["--fail-on", "homomorphism_eror>1"], 2, "usage", "no diagnostic 'homomorphism_eror'"),
    "code for a gate": (["--fail-on", "__import__('os')>1"], 2, "usage", "is not a condition"),
    "a group twice": (["--group", "affine", "--group", "affine"], 2, "config", "names a group twice"),
    "an option for no group in particular": (
        ["--group", "affine", "--group", "other", "-o", "rho=lie"],
        2,
        "config",
        "does not say which group",
    ),
}


@pytest.mark.parametrize(("flags", "exit_code", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_analyze_refuses(symdiff, analysis, flags, exit_code, code, message):
    ran = symdiff("analyze", *flags, "--json")
    assert ran.code == exit_code
    assert ran.document["schema"] == "symdiff.error/1"
    assert ran.document["code"] == code
    assert message in ran.document["message"]
    assert ran.document["hint"]
    assert f"error: {ran.document['message']}\nhint: {ran.document['hint']}\n" in ran.err
    assert analysis.calls == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--group", "afine"], "did you mean 'affine'?"),
        (["-o", "rhoo=lie"], "did you mean 'rho'? options of affine: "),
        (["--fail-on", "homomorphism_eror>1"], "did you mean 'homomorphism_error'?"),
    ],
)
def test_the_hint_names_the_nearest(symdiff, flags, hint):
    assert hint in symdiff("analyze", *flags, "--json").document["hint"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = [", "is not TOML"),
        ("stesp = 3", "no setting 'stesp'"),
        ("steps = true", "steps is True: must be a number"),
        ("group = 3", "group is 3: must name a group"),
        ("options = 3", "options is 3: must be a table"),
        ("[options]\nrhoo = 'lie'", "affine has no option 'rhoo'"),
    ],
)
def test_a_configuration_file_is_refused(symdiff, tmp_path, text, message):
    file = tmp_path / "run.toml"
    file.write_text(text)
    ran = symdiff("analyze", "--config", file, "--json")
    assert ran.code == 2
    assert message in ran.document["message"]


def test_a_cuda_device_is_refused_where_there_is_none(symdiff, analysis, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for command in (["analyze"], ["record", "gaussian", "--out", "store"]):
        ran = symdiff(*command, "--device", "cuda", "--json")
        assert (ran.code, ran.document["code"]) == (2, "device")
    assert list(Path().iterdir()) == []


def test_a_directory_that_holds_another_run_is_refused(symdiff, analysis):
    Path("mine").mkdir()
    Path("mine/config.json").write_text(json.dumps({"run_id": "digits-affine-000", "config_hash": "000", "config": {}}))
    ran = symdiff("analyze", "--out", "mine", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")
    assert "mine holds another run, digits-affine-000" in ran.document["message"]
    assert "--force" in ran.document["hint"]
    assert symdiff("analyze", "--out", "mine", "--force").code == 0
    assert analysis.calls[0]["force"] is True


def test_a_file_is_no_output_directory(symdiff, analysis):
    Path("mine").write_text("a letter")
    for out in ("mine", "mine/below"):
        ran = symdiff("analyze", "--out", out, "--json")
        assert (ran.code, ran.document["code"]) == (2, "output")
        assert ran.document["message"].endswith("mine is a file")
    assert Path("mine").read_text() == "a letter"


@pytest.mark.parametrize("command", [["nonsense"], ["plugins"], ["plugins", "nonsense"], ["record"], ["report"]])
def test_a_command_that_is_none_is_a_usage_error(symdiff, command):
    ran = symdiff(*command, "--json")
    assert (ran.code, ran.document["code"]) == (2, "usage")
    assert "--help" in ran.document["hint"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["nonsense"], "model", "no model 'nonsense'"),
        (["gausian"], "model", "no model 'gausian'"),
        (["gaussian", "--sampler", "dpdm"], "config", "no sampler 'dpdm'"),
        (["gaussian", "--sampler", "ddim:tea=1"], "config", "sampler ddim has no setting 'tea'"),
        (["gaussian", "--sampler", "ddim:eta=much"], "config", "eta of sampler ddim is 'much'"),
        (["gaussian", "--sampler", "ddim:eta=2"], "config", "eta of DDIM is 2"),
        (["gaussian", "--steps", "99999"], "config", "99999"),
    ],
)
def test_record_refuses(symdiff, flags, code, message):
    ran = symdiff("record", *flags, "--out", "store", "--json")
    assert (ran.code, ran.document["code"]) == (2, code)
    assert message in ran.document["message"]
    assert list(Path().iterdir()) == []


def test_record_refuses_a_directory_that_holds_something(symdiff):
    Path("store").mkdir()
    Path("store/letter").write_text("dear")
    ran = symdiff("record", "gaussian", "--out", "store", "--trajectories", "10", "--steps", "2", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")
    assert [item.name for item in Path("store").iterdir()] == ["letter"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["absent"], "no result at absent"),
        (["."], "no result at"),
        ([".", "--format", "pdf"], "no format 'pdf'"),
        ([".", "--format", ","], "names no format"),
    ],
)
def test_report_refuses(symdiff, flags, message):
    ran = symdiff("report", *flags, "--json")
    assert ran.code == 2
    assert message in ran.document["message"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["nonsense"], "model", "no model 'nonsense'"),
        (["--sampler", "dpdm"], "config", "no sampler 'dpdm'"),
        (["--steps", "99999"], "config", "99999"),
        (["--rescore"], "output", "no finished run to rescore"),
    ],
)
def test_what_the_analysis_itself_refuses_leaves_no_trace(symdiff, flags, code, message):
    ran = symdiff("analyze", *flags, "--json")
    assert (ran.code, ran.document["code"]) == (2, code)
    assert message in ran.document["message"]
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["nonsense"], "model", "no model 'nonsense'"),
        (["."], "model", "no model '.'"),
        (["--sampler", "dpdm"], "config", "no sampler 'dpdm'"),
        (["--length", "51"], "config", "--length is 51, but trajectories have 50 steps"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_model_a_sampler_and_a_length_are_refused_before_anything_runs(symdiff, analysis, flags, code, message, more):
    ran = symdiff("analyze", *flags, *more, "--json")
    assert (ran.code, ran.document["code"]) == (2, code)
    assert message in ran.document["message"]
    assert analysis.calls == []
    assert list(Path().iterdir()) == []


def test_a_model_that_is_not_there_may_have_been_meant_as_a_recording(symdiff):
    assert "or a directory written by `symdiff record`" in symdiff("analyze", "./gone", "--json").document["hint"]


def test_record_points_to_its_own_help_and_refuses_a_directory_it_cannot_write(symdiff, monkeypatch):
    assert symdiff("record", "--steps", "0", "--out", "x", "--json").document["hint"] == "see `symdiff record --help`"
    monkeypatch.setattr("os.access", lambda *_: False)
    ran = symdiff("record", "gaussian", "--out", "x", "--json")
    assert (ran.code, ran.document["code"]) == (2, "output")
