"""The reference pages leave nothing out."""

from __future__ import annotations

import inspect
from functools import cache

import pytest
from generated import MAKERS, expanded
from pages import ROOT

import symdiff
from symdiff import errors, hookspecs
from symdiff.batch.study import FLAGS
from symdiff.cli import batch, plugins
from symdiff.cli.app import app
from symdiff.config import RunConfig
from symdiff.plugins import load_plugins
from symdiff.report import glossary
from symdiff.result import Claim, Estimate, Guarantee, Result, Verdict
from symdiff.settings import OTHER_VARIABLES, Settings


@cache
def page(name: str) -> str:
    return expanded((ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", symdiff.__all__)
def test_every_public_name_has_an_entry(name):
    assert f":: symdiff.{name}\n" in page("api")


@pytest.mark.parametrize(("prefix", "typer"), [("", app), ("batch ", batch.app), ("plugins ", plugins.app)])
def test_every_command_and_each_of_its_flags_is_on_the_page(prefix, typer):
    for command in typer.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        _, _, section = page("cli").partition(f"## symdiff {prefix}{name}\n")
        section = section.partition("\n## ")[0]
        assert section, name
        for parameter in inspect.signature(command.callback, eval_str=True).parameters.values():
            [declared] = [info for info in parameter.annotation.__metadata__ if hasattr(info, "param_decls")]
            given = [
                declared.default,
                *(declared.param_decls or ()),
            ]  # the first one counts as a default until typer runs
            flags = [flag for flag in given if isinstance(flag, str) and flag.startswith("-")]
            if type(declared).__name__ == "OptionInfo":
                for flag in flags or [f"--{parameter.name.replace('_', '-')}"]:
                    assert f"`{flag}`" in section, (name, flag)
            assert declared.help.split(";")[0].split("|")[0] in section, (name, parameter.name)


def test_a_default_of_a_command_is_on_the_page():
    assert "| `--engine` | `NAME` | `local` |" in page("cli")
    assert "| `--steps` | `INTEGER` | `50` |" in page("cli")


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("symdiff_")])
def test_every_hook_has_its_signature_and_says_since_when(hook):
    section = page("hooks").partition(f"## {hook}\n")[2].partition("\n## ")[0]
    names = ", ".join(
        str(part).replace("'", "") for part in inspect.signature(getattr(hookspecs, hook)).parameters.values()
    )
    assert f"def {hook}({names}) ->" in section
    assert "*Since version 0.1.*" in section
    summary = inspect.getdoc(getattr(hookspecs, hook)).splitlines()[0]
    assert summary.replace("``", "`") in section


def test_every_key_of_a_configuration_is_on_the_page():
    for key in {*Settings.model_fields, *RunConfig.model_fields}:
        assert f"| `{key}` |" in page("config")
    for name in OTHER_VARIABLES:
        assert f"| `SYMDIFF_{name}` |" in page("config")
    assert "| `steps` | `integer >= 2, <= 100000` | `50` | Reverse steps of a trajectory. |" in page("config")


@pytest.mark.parametrize("family", ["actions", "affine", "escnn", "geomstats"])
def test_every_option_of_every_family_is_on_the_page(family):
    section = page("options").partition(f"## Options of {family}\n")[2].partition("\n## ")[0]
    for key, field in load_plugins().family(family).Options.model_fields.items():
        assert f"| `{key}` |" in section
        assert field.description.split("`")[0].split("|")[0].strip() in section


def test_every_key_of_a_study_is_on_the_page():
    assert all(f"`{flag}`" in page("study") for flag in FLAGS)
    assert all(f"`[{table}" in page("study") for table in ("study]", "defaults]", "matrix]", "matrix.options"))


@pytest.mark.parametrize("model", [Result, Verdict, Claim, Estimate, Guarantee])
def test_every_key_of_a_result_is_on_the_page(model):
    for name, field in model.model_fields.items():
        assert f"| `{field.alias or name}` |" in page("result")


def test_every_diagnostic_and_its_meaning_is_on_the_page():
    text = page("diagnostics")
    for name in (*glossary.names(), *glossary.of_process()):
        assert f"| `{name}` |" in text
        assert (glossary.meaning(name) or glossary.of_process()[name]).replace("|", r"\|") in text


def test_every_error_is_on_the_page_with_its_codes():
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.SymdiffError)]
    assert len(kinds) > 20
    for kind in kinds:
        assert f"| {kind.exit_code} | `{kind.code}` | `{kind.__name__}` |" in page("errors")


def test_every_generated_text_is_used():
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "reference").glob("*.md"))
    assert all(f"<!-- generated: {name} -->" in text for name in MAKERS)
    assert "<!-- generated" not in expanded(text)


@pytest.mark.parametrize("formula", [r"{\bar α}_t", r"\frac{a}{b}", r"\begin{pmatrix} a & v \\ 0 & 1 \end{pmatrix}"])
def test_formulas_are_markup_and_load_nothing(formula):
    from mathml import rendered

    assert rendered(formula, block=True).startswith("<math")
