"""`symdiff record`, `report`, `plugins` and `doctor`."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from pathlib import Path

import pytest

from symdiff.cli import plugins as plugins_command
from symdiff.diffusion import SOURCES, load_denoiser
from symdiff.trajectories.store import read_store

RECORD = ("record", "gaussian", "--trajectories", "10", "--steps", "4")


def test_record_writes_a_store_once(symdiff):
    ran = symdiff(*RECORD, "--sampler", "ddim:eta=0.5", "--seed", "2", "--out", "store", "--json")
    assert ran.code == 0
    assert ran.document["schema"] == "symdiff.recording/1"
    assert (ran.document["trajectories"], ran.document["steps"], ran.document["from_cache"]) == (10, 4, False)
    recorded = read_store("store")
    assert (len(recorded), recorded.steps, recorded.observation_shape) == (10, 4, (1, 8, 8))
    again = symdiff(*RECORD, "--sampler", "ddim:eta=0.5", "--seed", "2", "--out", "store")
    assert again.out == "held already in store: 10 trajectories of 4 steps, 1 x 8 x 8\n"
    assert symdiff(*RECORD, "--out", "store", "--json").document["code"] == "output"


@pytest.mark.parametrize("sampler", ["heun", "dpmsolver++:order=3,karras=TRUE", "edm:s_churn=2", "flow-euler:shift=3"])
def test_record_takes_samplers_of_the_library(symdiff, sampler):
    ran = symdiff(
        "record", "gaussian", "--trajectories", "10", "--steps", "10", "--sampler", sampler, "--out", "store", "--json"
    )
    assert ran.code == 0
    recorded = read_store("store")
    assert recorded.states.shape == (10, 11, 1, 8, 8)
    assert recorded.info["sampler"] == sampler.split(":")[0]


@pytest.mark.parametrize(
    ("sampler", "message", "hint"),
    [
        ("heun:karras=perhaps", "karras of sampler heun is 'perhaps'", "must be true or false"),
        ("dpmsolver++:order=2.5", "order of sampler dpmsolver++ is '2.5'", "must be a whole number"),
        ("edm:rho=high", "rho of sampler edm is 'high'", "must be a number"),
        ("hein", "there is no sampler 'hein'", "did you mean 'heun'?"),
    ],
)
def test_a_setting_of_a_sampler_that_is_none_is_refused(symdiff, sampler, message, hint):
    ran = symdiff("record", "gaussian", "--sampler", sampler, "--out", "store", "--json")
    assert (ran.code, ran.document["code"], ran.document["message"]) == (2, "config", message)
    assert ran.document["hint"].startswith(hint)


def test_record_names_the_extra_a_sampler_needs(symdiff, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    ran = symdiff("record", "gaussian", "--sampler", "heun", "--out", "store", "--json")
    assert (ran.code, ran.document["code"]) == (2, "missing-extra")
    assert ran.document["hint"] == "pip install 'symdiff-toolkit[diffusers]'"


def test_record_keeps_every_kth_state_in_the_format_asked_for(symdiff):
    ran = symdiff(*RECORD, "--every", "3", "--dtype", "bf16", "--out", "store")
    assert ran.out == "recorded in store: 10 trajectories of 4 steps, 1 x 8 x 8, every 3rd state, in bf16\n"
    assert "warning: states stored in bf16 make the translations v = x' - a x wrong" in ran.err
    recorded = read_store("store")
    assert recorded.states.shape == (10, 3, 1, 8, 8)
    assert (recorded.info["dtype"], recorded.info["every"]) == ("bf16", 3)
    document = symdiff(*RECORD, "--every", "3", "--dtype", "bf16", "--out", "store", "--json").document
    assert (document["every"], document["dtype"], document["from_cache"]) == (3, "bf16", True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--every", "0"], "every is 0"),
        (["--every", "5"], "every is 5"),
        (["--dtype", "double"], "dtype is 'double'"),
    ],
)
def test_record_refuses_a_distance_or_format_there_is_not(symdiff, flags, message):
    ran = symdiff(*RECORD, *flags, "--out", "store", "--json")
    assert (ran.code, ran.document["code"]) == (2, "config")
    assert message in ran.document["message"]
    assert not Path("store").exists()


def test_an_interrupted_recording_says_so_and_the_same_command_goes_on(symdiff, monkeypatch):
    monkeypatch.setattr("symdiff.trajectories.ongoing.SHARD_BYTES", 1)
    monkeypatch.setattr("symdiff.trajectories.recording.MAX_BATCH", 5)
    model = load_denoiser("gaussian")
    asked = []

    def interrupted(x, t):
        asked.append(t)
        if len(asked) > 4:
            raise KeyboardInterrupt
        return type(model).denoise(model, x, t)

    monkeypatch.setitem(SOURCES, "gaussian", lambda: model)
    with monkeypatch.context() as patched:
        patched.setattr(model, "denoise", interrupted)
        ran = symdiff(*RECORD, "--out", "store", "--json")
    assert (ran.code, ran.document["code"]) == (130, "interrupted")
    assert ran.document["message"] == "interrupted; 5 of 10 shards are there"
    refused = symdiff("analyze", "store", "--json")
    assert (refused.code, refused.document["code"]) == (2, "store")
    assert "is a recording that is not finished: 5 of 10 shards are there" in refused.document["message"]
    command = shlex.split(refused.document["hint"].removeprefix("to finish it: "))
    assert command[:2] == ["symdiff", "record"]
    resumed = symdiff(*command[1:])
    assert resumed.code == 0
    assert "resuming: 5 of 10 shards are there" in resumed.err
    assert len(read_store("store")) == 10


def test_record_reports_a_damaged_store(symdiff):
    symdiff(*RECORD, "--out", "store")
    Path("store/manifest.json").write_text("{}")
    ran = symdiff(*RECORD, "--out", "store", "--json")
    assert (ran.code, ran.document["code"]) == (2, "store")


@pytest.fixture
def runs(symdiff, analysis):
    """Two finished runs of different error."""
    for name, value in (("first", 0.02), ("second", 0.2)):
        analysis.value = value
        symdiff("analyze", "--out", name)
    return ["first", "second"]


def test_report_writes_a_page_a_run_and_an_index(symdiff, runs):
    ran = symdiff("report", *runs)
    assert ran.out.split() == ["first/report.html", "second/report.html", "index.html"]
    for file in ran.out.split():
        assert "<html" in Path(file).read_text()


def test_report_of_one_run_writes_no_index(symdiff, runs):
    assert symdiff("report", "first").out.split() == ["first/report.html"]
    assert not Path("index.html").exists()


def test_report_prints_tables(symdiff, runs):
    rows = list(csv.DictReader(io.StringIO(symdiff("report", *runs, "--format", "csv").out)))
    assert [(row["run"], float(row["value"])) for row in rows] == [("first", 0.02), ("second", 0.2)]
    text = symdiff("report", *runs, "--format", "md").out
    assert "| homomorphism_error |" in text
    document = json.loads(symdiff("report", "first", "--format", "json").out)
    assert document == symdiff("report", "first", "--format", "json", "--json").document
    assert not Path("first/report.html").exists()


def test_report_tells_what_changed_from_a_baseline(symdiff, runs):
    document = symdiff("report", "second", "--baseline", "first", "--json").document
    [difference] = document["runs"][0]["differences"]
    assert (difference["name"], difference["baseline"], difference["value"]) == ("homomorphism_error", 0.02, 0.2)
    assert difference["difference"] == pytest.approx(0.18)


def test_plugins_list_has_the_documented_document(symdiff):
    ran = symdiff("plugins", "list", "--json")
    assert ran.document["schema"] == "symdiff.plugins/1"
    [affine] = [item for item in ran.document["plugins"] if item["name"] == "affine"]
    assert set(affine) == {"name", "families", "status", "distribution", "version", "file", "cause", "hint"}
    assert (affine["status"], affine["families"], affine["distribution"]) == ("ok", ["affine"], "symdiff-toolkit")
    assert "affine" in symdiff("plugins", "list").out


def test_plugins_show_lists_the_options_of_a_family(symdiff):
    ran = symdiff("plugins", "show", "affine", "--json")
    [family] = ran.document["details"]
    assert family["options"]["gauge"]["default"] == "v"
    assert family["options"]["gauge"]["type"] == "v | eps | x0"
    assert "-o gauge=v  (v | eps | x0)" in symdiff("plugins", "show", "affine").out


def test_plugins_show_does_not_know_every_name(symdiff):
    ran = symdiff("plugins", "show", "afine", "--json")
    assert (ran.code, ran.document["code"], ran.document["hint"]) == (3, "plugin", "did you mean 'affine'?")


@pytest.mark.parametrize(
    ("schema", "spelled"),
    [
        ({"type": "integer", "minimum": 1}, "integer >= 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 2}, "number > 0 <= 2"),
        ({"enum": ["a", "b"], "type": "string"}, "a | b"),
        ({"anyOf": [{"type": "integer"}, {"const": "free"}]}, "integer | free"),
    ],
)
def test_the_type_of_an_option_is_spelled(schema, spelled):
    assert plugins_command._type(schema) == spelled


def test_doctor_describes_the_machine(symdiff):
    document = symdiff("doctor", "--json").document
    assert document["schema"] == "symdiff.doctor/1"
    assert document["packages"]["torch"].startswith("2.")
    assert {item["name"] for item in document["plugins"]} >= {"affine"}
    assert document["extras"]["geomstats"]["status"] == "ok"
    assert document["extras"]["diffusers"]["status"] == "ok"
    assert "plugin affine (symdiff-toolkit 0.1.0): ok" in symdiff("doctor").out


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ({"escnn"}, "pip install --no-deps escnn==1.0.11"),
        (
            {"escnn", "pymanopt"},
            "pip install 'symdiff-toolkit[escnn]' && pip install --no-deps escnn==1.0.11",
        ),
    ],
)
def test_doctor_gives_the_command_that_adds_what_is_missing(symdiff, monkeypatch, missing, command):
    monkeypatch.setattr("symdiff.environment.installed", lambda name: None if name in missing else "1.0")
    extra = symdiff("doctor", "--json").document["extras"]["escnn"]
    assert (extra["status"], set(extra["missing"]), extra["hint"]) == ("missing", missing, command)
    assert f"extra escnn: missing {', '.join(extra['missing'])}: {command}" in symdiff("doctor").out


def test_doctor_measures_the_cache(symdiff, monkeypatch):
    Path("cache/trajectories").mkdir(parents=True)
    Path("cache/trajectories/shard").write_bytes(b"12345")
    monkeypatch.setenv("SYMDIFF_CACHE", str(Path("cache").absolute()))
    cache = symdiff("doctor", "--json").document["cache"]
    assert cache == {"directory": str(Path("cache").absolute()), "bytes": 5}


def test_estimates_without_a_value_are_shown_as_such(symdiff, analysis):
    analysis.value = None
    assert any(line.split()[:2] == ["homomorphism_error", "-"] for line in symdiff("analyze").out.splitlines() if line)


def test_report_takes_all_that_lies_beside_runs(symdiff, runs, analysis):
    symdiff("analyze", "-o", "rho=lie", "-o", "rho=exact", "--out", "both")
    assert symdiff("report", *runs).code == 0
    everything = sorted(Path().iterdir())
    assert Path("index.html") in everything
    ran = symdiff("report", *everything, "--format", "json", "--json")
    assert [run["directory"] for run in ran.document["runs"]] == ["both/affine-1", "both/affine-2", *runs]
    assert symdiff("report", "index.html", "--json").document["message"] == "no run among index.html"


@pytest.mark.filterwarnings("default:.*stored in bf16:UserWarning")
def test_a_recording_says_what_its_format_costs_and_how_many_states_it_keeps(symdiff):
    recording = ("record", "gaussian", "--steps", "8", "--trajectories", "12", "--every", "3", "--out", "store")
    assert "every 3rd state" in symdiff(*recording).out
    assert symdiff(*recording, "--json").document["warnings"] == []
    [warning] = symdiff(*recording[:-1], "rounded", "--dtype", "bf16", "--json").document["warnings"]
    assert "states stored in bf16 make the translations" in warning
