"""`symdiff batch` as a user sees it."""

from __future__ import annotations

import functools
import json

import pytest

from symdiff.batch.local import Local
from tests.batch.conftest import FAKE
from tests.cli.conftest import symdiff  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def fake_workers(monkeypatch):
    monkeypatch.setattr("symdiff.batch.local.Local", functools.partial(Local, worker=FAKE))


def test_dry_run_shows_what_is_to_do_cached_and_failed_and_writes_nothing(symdiff, file, behaviour):  # noqa: F811
    assert [row["state"] for row in symdiff("batch", "run", file, "--dry-run", "--json").document["runs"]] == [
        "todo"
    ] * 3
    assert not (file.parent / "here" / "tiny").exists()
    behaviour(s1="crash")
    symdiff("batch", "run", file, "--only", "seed!=2")
    before = sorted(file.parent.rglob("*"))
    planned = symdiff("batch", "run", file, "--dry-run")
    assert [line.split()[0] for line in planned.out.splitlines()[:3]] == ["cached", "failed", "todo"]
    assert sorted(file.parent.rglob("*")) == before


def test_dry_run_says_what_the_runs_to_do_will_take_and_what_that_rests_on(symdiff, file, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SYMDIFF_CACHE", str(file.parent / "cache"))
    planned = symdiff("batch", "run", file, "--dry-run", "--jobs", "2", "--json").document["estimate"]
    assert (planned["runs"], planned["jobs"], planned["recordings"]) == (3, 2, 3)
    # gaussian has 1 x 8 x 8 numbers a state: 512 trajectories, 51 states and 50 denoised images each, 4 bytes
    assert planned["recording_bytes"] == 3 * 512 * 101 * 64 * 4
    assert planned["seconds_from"] == {"a guess of 30 s a run": 3}
    assert planned["seconds"] == 60
    symdiff("batch", "run", file, "--only", "seed=0")
    after = symdiff("batch", "run", file, "--dry-run", "--json").document["estimate"]
    assert (after["runs"], after["run_bytes_from"]) == (2, "finished runs of this study")
    assert after["seconds_from"] == {"finished runs of its model and group": 2}
    assert 0 < after["seconds"] < 60
    text = symdiff("batch", "run", file, "--dry-run").out
    assert "2 recordings that are not in the cache" in text
    assert "time: " in text
    assert "finished runs of its model and group (2)" in text


def test_failed_runs_end_with_exit_code_4_and_their_causes(symdiff, file, behaviour):  # noqa: F811
    behaviour(s1="refuse")
    ran = symdiff("batch", "run", file, "--json")
    assert ran.code == 4
    assert [run["state"] for run in ran.document["runs"]] == ["done", "failed", "done"]
    assert ran.document["runs"][1]["cause"]["code"] == "non-finite"
    assert "gaussian affine seed=1 failed: the <loss> is NaN" in ran.err
    assert "--retry-failed" in ran.err
    assert symdiff("batch", "run", file).code == 4
    behaviour()
    again = symdiff("batch", "run", file, "--retry-failed")
    assert (again.code, again.out.splitlines()[0]) == (0, "study tiny is done: 3 done")


def test_status_tells_how_a_study_stands(symdiff, file, behaviour):  # noqa: F811
    behaviour(s1="crash")
    symdiff("batch", "run", file, "--out", "elsewhere")
    document = symdiff("batch", "status", "elsewhere", "--json").document
    assert document["schema"] == "symdiff.study-status/1"
    assert (document["state"], document["counts"]["failed"]) == ("failed", 1)
    assert "log: elsewhere/logs/" in symdiff("batch", "status", "elsewhere").out


def test_the_status_of_a_study_whose_process_died_is_stopped(symdiff, file):  # noqa: F811
    symdiff("batch", "run", file)
    status = file.parent / "here" / "tiny" / "status.json"
    document = json.loads(status.read_text())
    document["state"] = document["runs"][2]["state"] = "running"
    status.write_text(json.dumps(document))
    told = symdiff("batch", "status", "tiny", "--json").document
    assert (told["state"], told["counts"]) == ("stopped", {"done": 2, "failed": 0, "running": 0, "todo": 1})


def test_status_of_no_study_is_refused(symdiff):  # noqa: F811
    ran = symdiff("batch", "status", ".")
    assert (ran.code, "no study at ." in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("expression", "seeds"),
    [("seed=1", [1]), ("seed!=1", [0, 2]), ("model=gau*,seed=[12]", [1, 2]), ("state=todo", [0, 1, 2])],
)
def test_only_chooses_runs(symdiff, file, expression, seeds):  # noqa: F811
    runs = symdiff("batch", "run", file, "--only", expression, "--dry-run", "--json").document["runs"]
    assert [int(run["label"][-1]) for run in runs] == seeds


@pytest.mark.parametrize(
    ("expression", "said"),
    [("sed=1", "did you mean 'seed'?"), ("seed", "is no condition"), ("seed=7", "leaves none of the 3 runs")],
)
def test_an_only_that_chooses_nothing_is_refused(symdiff, file, expression, said):  # noqa: F811
    ran = symdiff("batch", "run", file, "--only", expression)
    assert (ran.code, said in ran.err) == (2, True)


def test_runs_that_were_not_chosen_do_not_fail_the_command(symdiff, file, behaviour):  # noqa: F811
    behaviour(s1="crash")
    assert symdiff("batch", "run", file).code == 4
    assert symdiff("batch", "run", file, "--only", "seed=0").code == 0


def test_an_error_in_the_study_is_told_with_its_line(symdiff, file):  # noqa: F811
    file.write_text(file.read_text().replace("seed", "sed"))
    ran = symdiff("batch", "run", file, "--json")
    assert (ran.code, ran.document["code"]) == (2, "config")
    assert "tiny.toml, line 5: matrix.sed" in ran.document["message"]
