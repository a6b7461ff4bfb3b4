"""A study file is multiplied out, and every error in it points to its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from symdiff.batch import read_study
from symdiff.batch.lines import line_of
from symdiff.config import RunConfig
from symdiff.errors import ConfigError, SymdiffError
from symdiff.plugins import resolve

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "study.toml"

STUDY = """\
[study]
name = "s"

[defaults]
steps = 20

[defaults.options.affine]
rho = "exact"

[matrix]
model = ["gaussian", "mixture"]
group = ["affine", "escnn"]
seed = [
  0,
  1,
]

[matrix.options.affine]
gauge = ["v", "eps"]
"""


def study_of(tmp_path: Path, text: str):
    file = tmp_path / "study.toml"
    file.write_text(text)
    return read_study(file)


def test_the_matrix_is_multiplied_out_and_options_are_for_their_group_alone(tmp_path):
    runs = study_of(tmp_path, STUDY).runs
    assert len(runs) == 2 * 2 * (2 + 1)
    assert {run.config.steps for run in runs} == {20}
    affine = [run.config for run in runs if run.config.group == "affine"]
    assert {config.options["rho"] for config in affine} == {"exact"}
    assert {config.options["gauge"] for config in affine} == {"v", "eps"}
    assert len({run.run_id for run in runs}) == len(runs)


def test_a_run_of_a_study_is_the_run_that_analyze_would_make(tmp_path):
    first = study_of(tmp_path, STUDY).runs[0]
    flags = {"model": "gaussian", "group": "affine", "steps": 20, "options": {"rho": "exact", "gauge": "v"}}
    assert first.config == resolve(RunConfig(**flags))[0]


def test_the_device_does_not_change_a_run_but_the_version_of_a_plugin_does(tmp_path, monkeypatch):
    ids = {run.run_id for run in study_of(tmp_path, STUDY).runs}
    assert {
        run.run_id for run in study_of(tmp_path, STUDY.replace("steps = 20", 'steps = 20\ndevice="cpu"')).runs
    } == ids
    monkeypatch.setattr("symdiff.batch.study.taking_part", lambda config: {"affine": "9"})
    assert ids.isdisjoint(run.run_id for run in study_of(tmp_path, STUDY).runs)


def test_equal_runs_of_a_matrix_are_one_run(tmp_path):
    runs = study_of(tmp_path, '[study]\nname = "s"\n[matrix]\nmodel = ["gaussian"]\nseed = [0, 0, 1]\n').runs
    assert [run.config.seed for run in runs] == [0, 1]


def test_the_label_of_a_run_says_what_tells_it_from_the_others(tmp_path):
    study = study_of(tmp_path, STUDY)
    assert study.label(study.runs[1]) == "gaussian affine seed=0 affine.gauge=eps"


def test_the_example_is_a_study():
    assert len(read_study(EXAMPLE).runs) == 12


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("steps = 20", "stepz = 20"), 5, "did you mean 'steps'?"),
        (("steps = 20", "steps = true"), 5, "defaults.steps is True: must be a number"),
        (("steps = 20", "steps = 20\ndata = 'nowhere.npy'"), 6, "nowhere.npy"),
        (("steps = 20", "length = 60"), 5, "length of 60"),
        (("steps = 20", "out = 'here'"), 5, "not for a study"),
        (('rho = "exact"', 'rho = "exakt"'), 8, "exakt"),
        (('rho = "exact"', 'roh = "exact"'), 8, "did you mean 'rho'?"),
        (("[matrix]", "[matrx]"), 10, "did you mean 'matrix'?"),
        (('"mixture"]', '"mixtur"]'), 11, "did you mean 'mixture'?"),
        (('"escnn"]', '"escn"]'), 12, "did you mean 'escnn'?"),
        (("  0,\n", "  -1,\n"), 13, "matrix.seed is -1"),
        (("seed = [\n  0,\n  1,\n]", "seed = 3"), 13, "must be a list"),
        (("[matrix]", "[matrix]\ndevice = ['cpu', 'cuda']"), 11, "makes no other run"),
        (("[matrix.options.affine]", "[matrix.options.afine]"), 18, "did you mean 'affine'?"),
        (('name = "s"', 'name = "../s"'), 2, "must be a name for a folder"),
        (('name = "s"', 'nam = "s"'), 2, "did you mean 'name'?"),
        (('name = "s"', ""), 1, "study.name is missing"),
    ],
)
def test_an_error_names_the_line_the_key_and_what_was_meant(tmp_path, change, line, said):
    assert change[0] in STUDY
    with pytest.raises(SymdiffError) as caught:
        study_of(tmp_path, STUDY.replace(*change))
    assert f"study.toml, line {line}: " in caught.value.message
    assert said in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("text", ["[study", '[study]\nname = "s"\nname = "t"'])
def test_what_is_not_toml_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="is not TOML"):
        study_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a.b.c = 1", 1), ("x = 1\n[a]\nb = {c = 1}", 3), ("[a.b]\n# c = 1\n\nc = '''\n[a.b]\n'''", 4), ("[a]\nb = 1", 2)],
)
def test_a_key_is_found_however_it_is_written(text, line):
    assert line_of(text, ("a", "b", "c")) == line
    assert line_of(text, ("z",)) is None
