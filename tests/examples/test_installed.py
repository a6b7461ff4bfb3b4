"""The example plugins, installed from their wheels, work: they are listed, checked and analysed with."""

from __future__ import annotations

import re
import tomllib
import zipfile

import pytest

from tests.examples.conftest import BUNDLED, EXAMPLES, ROOT, examples

__all__ = ["examples"]

FAMILIES = {"colours": ["colour-permutations", "hue"], "learned-lie": ["learned-lie"], "translations": ["translations"]}

PLUGINS = {"blobs", "colours", "commutators", "learned-lie", "mlflow", "tensorboard", "translations"}

SMALL = ["--steps", "20", "--trajectories", "64", "--train-steps", "10"]

MLFLOW = """
from contextlib import nullcontext
from pathlib import Path

def start_run(run_name):
    return nullcontext()

def log_params(values):
    Path("logged").write_text(values["group"])

log_metrics = set_tags = log_artifact = lambda value: None
"""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_a_wheel_holds_the_package_and_nothing_else(examples, example):
    project = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))
    [module] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    [wheel] = examples.wheels.glob(f"{example.name.replace('-', '_')}-*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {f"{module}/{file.name}" for file in (example / module).glob("*.py")}
    assert project["project"]["dependencies"][0] == "symdiff-toolkit"
    assert len((example / "README.md").read_text(encoding="utf-8")) > 500


def test_all_are_listed_as_working_beside_those_of_the_repository(examples, tmp_path):
    listed = {
        plugin["name"]: plugin
        for plugin in examples.symdiff("plugins", "list", cwd=tmp_path, SYMDIFF_DISABLE_PLUGINS=BUNDLED)["plugins"]
    }
    assert {name for name, plugin in listed.items() if plugin["status"] == "ok"} == PLUGINS
    for name, families in FAMILIES.items():
        assert listed[name]["families"] == families


def test_a_check_runs_a_miniature_analysis_with_a_diagnostic(examples, tmp_path):
    document = examples.symdiff("plugins", "check", "commutators", cwd=tmp_path, SYMDIFF_LOAD_PLUGINS="commutators")
    assert (document["status"], document["families"]) == ("passed", [])
    [run] = document["analyses"]
    assert (run["group"], run["outcome"]) == ("affine", "passed")
    assert run["diagnostics"]["commutators"] > 0


def test_every_example_is_in_the_plugin_guide():
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    linked = re.findall(r"\(examples/(symdiff-[a-z-]+)/README\.md\)", guide)
    assert {example.name for example in EXAMPLES} == set(linked)


@pytest.mark.long
def test_the_planted_algebra_is_found_in_an_analysis(examples, tmp_path):
    command = ["analyze", "planted-so2xso2", "--group", "learned-lie", "--sampler", "ddim", *SMALL]
    environment = {"SYMDIFF_DISABLE_PLUGINS": f"{BUNDLED},mlflow"}
    result = examples.symdiff(*command, "--trajectories", "128", "--out", "run", cwd=tmp_path, **environment)
    assert len(result["process"]["learned_algebra"]["generators"]) == 2
    assert result["diagnostics"]["explained_motion"]["value"] > 0.99
    assert result["diagnostics"]["bracket_closure"]["value"] < 0.05
    assert result["verdict"]["claims"]["content"]["status"] == "supported"


@pytest.mark.long
def test_the_model_of_one_plugin_has_the_symmetry_of_another(examples, tmp_path):
    command = ["analyze", "blobs:8", "--group", "translations", "--latent", "17", *SMALL, "--out", "run"]
    result = examples.symdiff(*command, cwd=tmp_path, SYMDIFF_DISABLE_PLUGINS=f"{BUNDLED},mlflow")
    assert result["verdict"]["claims"]["content"]["status"] == "supported"
    blocks = [(block["dim"], block["multiplicity"]) for block in result["decomposition"]["blocks"]]
    assert sorted(blocks) == [(1, 1), *8 * [(2, 1)]]
    assert result["diagnostics"]["d_lsbd"]["value"] < 1e-4
    assert "|k| = 5" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_a_model_without_colours_is_refused_by_name(examples, tmp_path):
    command = ["analyze", "gaussian", "--group", "hue", *SMALL, "--out", "run"]
    error = examples.symdiff(*command, cwd=tmp_path, code=2, SYMDIFF_LOAD_PLUGINS="colours")
    assert error["code"] == "channels"
    assert "acts on images of 3 channels, these are 1x8x8" in error["message"]


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(PLUGINS - {"commutators"}))
def test_every_check_passes(examples, tmp_path, name):
    (tmp_path / "fakes").mkdir()
    (tmp_path / "fakes" / "mlflow.py").write_text(MLFLOW, encoding="utf-8")
    path = f"{tmp_path / 'fakes'}:{examples.installed}:{ROOT}:{ROOT / 'plugins'}"
    document = examples.symdiff("plugins", "check", name, cwd=tmp_path, PYTHONPATH=path)
    assert document["status"] == "passed"
    assert [family["name"] for family in document["families"]] == FAMILIES.get(name, [])
    assert document["analyses"]
    assert all(run["outcome"] == "passed" for run in document["analyses"])
    assert (tmp_path / "logged").exists() == (name == "mlflow")
