"""Settings: four sources, one winner each; a run's name is a function of what determines its result."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from symdiff.config import RunConfig, RunFlags
from symdiff.errors import ConfigError
from symdiff.settings import Settings, gather

NUMBERS = ("steps", "trajectories", "length", "seed", "latent", "train_steps")


def file_of(tmp_path, text):
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_any_source_the_defaults_hold():
    settings = gather({}, None, {})
    assert settings == Settings()
    assert (settings.model, settings.group, settings.steps, settings.seed) == ("digits", ("affine",), 50, 0)


@pytest.mark.parametrize("name", NUMBERS)
@given(sources=st.sets(st.sampled_from(["flag", "variable", "file"])))
def test_the_nearest_source_wins(tmp_path_factory, name, sources):
    flags = {name: 41 if "flag" in sources else None}
    variables = {f"SYMDIFF_{name.upper()}": "42"} if "variable" in sources else {}
    file = file_of(tmp_path_factory.mktemp("toml"), f"{name} = 43") if "file" in sources else None
    order = [value for source, value in (("flag", 41), ("variable", 42), ("file", 43)) if source in sources]
    expected = order[0] if order else getattr(Settings(), name)
    assert getattr(gather(flags, file, variables), name) == expected


def test_every_setting_can_come_from_a_variable():
    variables = {
        "SYMDIFF_GROUP": "affine, other",
        "SYMDIFF_OPTIONS": "affine.rho=lie 'other.name=two words'",
        "SYMDIFF_FAIL_ON": "a>1,b<2",
        "SYMDIFF_THOROUGH": "1",
        "SYMDIFF_COMPARE_FORMS": "false",
        "SYMDIFF_OUT": "there",
        "SYMDIFF_SAMPLER": "ddim",
        "SYMDIFF_LATENT": "",
    }
    settings = gather({}, None, variables)
    assert settings.group == ("affine", "other")
    assert settings.options == {"affine": {"rho": ["lie"]}, "other": {"name": ["two words"]}}
    assert settings.fail_on == ("a>1", "b<2")
    assert (settings.thorough, settings.compare_forms, str(settings.out)) == (True, False, "there")
    assert (settings.sampler, settings.latent) == ("ddim", None)


def test_a_variable_that_is_no_setting_is_mentioned(caplog):
    with caplog.at_level(logging.WARNING, "symdiff"):
        gather({}, None, {"SYMDIFF_STPES": "3", "SYMDIFF_CACHE": "x", "SYMDIFF_LOAD_PLUGINS": "", "OTHER": "y"})
    assert caplog.messages == [
        "SYMDIFF_STPES is not a setting of symdiff and is ignored; did you mean 'SYMDIFF_STEPS'?"
    ]


def test_options_are_replaced_key_by_key(tmp_path):
    file = file_of(tmp_path, "[options]\nrho = 'exact'\nblock = 4\ngauge = 'eps'\n")
    settings = gather({"options": ["rho=lie", "rho=mlp"]}, file, {"SYMDIFF_OPTIONS": "rho=exact block=2"})
    assert settings.options == {"affine": {"rho": ["lie", "mlp"], "block": ["2"], "gauge": ["eps"]}}


def test_a_file_has_a_table_of_options_for_each_of_several_groups(tmp_path):
    file = file_of(tmp_path, "group = ['a', 'b']\n[options.a]\nx = 1\n[options.b]\ny = 2\n")
    assert gather({}, file, {}).options == {"a": {"x": [1]}, "b": {"y": [2]}}
    with pytest.raises(ConfigError, match=r"\[options.b\]: no group 'b'"):
        gather({"group": ["a", "c"]}, file, {})


@pytest.mark.parametrize(
    ("flags", "variables", "text", "message"),
    [
        ({"steps": 0}, {}, "", "--steps is 0: must be greater than or equal to 2"),
        ({"train_steps": 0}, {}, "", "--train-steps is 0"),
        ({}, {"SYMDIFF_STEPS": "many"}, "", "SYMDIFF_STEPS is 'many': must be a valid integer"),
        ({}, {}, "steps = 1.5", "run.toml: steps is 1.5: must be a valid integer"),
        ({}, {}, "steps = true", "run.toml: steps is True: must be a number"),
        ({}, {}, "seed = -1", "run.toml: seed is -1"),
        ({}, {}, "train-steps = 1", "run.toml: there is no setting 'train-steps'"),
        ({}, {}, "group = []", "run.toml: group is \\[\\]: must name a group"),
        ({}, {}, "group = 'x'\noptions = ['rho']", "option 'rho' is not of the form key=value"),
    ],
)
def test_a_wrong_value_is_named_as_it_was_written(tmp_path, flags, variables, text, message):
    with pytest.raises(ConfigError, match=message):
        gather(flags, file_of(tmp_path, text), variables)


def test_an_unknown_key_of_a_file_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError) as caught:
        gather({}, file_of(tmp_path, "train-steps = 1"), {})
    assert caught.value.hint.startswith("did you mean 'train_steps'? known: compare_forms, ")


def test_a_setting_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError):
        RunConfig().steps = 3  # type: ignore[misc]


def test_every_combination_of_candidates_is_a_run():
    settings = gather({"group": ["a", "b"], "options": ["a.x=1", "a.x=2", "a.y=3", "a.y=4", "b.z=5"]}, None, {})
    assert [(run.group, run.options) for run in settings.runs()] == [
        ("a", {"x": "1", "y": "3"}),
        ("a", {"x": "1", "y": "4"}),
        ("a", {"x": "2", "y": "3"}),
        ("a", {"x": "2", "y": "4"}),
        ("b", {"z": "5"}),
    ]


CHANGES = {
    "model": "gaussian", "sampler": "ddim", "steps": 51, "trajectories": 513, "length": 7, "latent": 8,
    "train_steps": 9, "compare_forms": True, "thorough": True, "plain": True, "seed": 1, "group": "other",
    "options": {"rho": "lie"},
    "recording": "0f", "label": 3, "guidance": 1.5, "model_digest": "0f", "data": "held_out.npy", "images": "1e",
}  # fmt: skip


def test_the_changes_below_cover_every_setting():
    assert set(CHANGES) | {"device"} == set(RunConfig.model_fields)


@pytest.mark.parametrize("name", CHANGES)
def test_what_determines_the_result_determines_the_run(name):
    assert RunConfig(**{name: CHANGES[name]}).config_hash() != RunConfig().config_hash()


def test_where_a_run_is_computed_does_not_change_it():
    assert RunConfig(device="cpu").config_hash() == RunConfig(device="cuda:1").config_hash()


def test_the_order_of_options_does_not_change_a_run():
    first, second = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert RunConfig(options=first).run_id == RunConfig(options=second).run_id


@given(st.text(min_size=1, max_size=80))
def test_the_name_of_a_run_is_a_file_name(model):
    run_id = RunConfig(model=model).run_id
    assert len(run_id) < 80
    assert all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in run_id)


def test_the_name_of_a_run_says_what_it_is():
    assert RunConfig().run_id.startswith("digits-affine-")
    assert RunConfig(model="recordings/of mine/").run_id.startswith("of-mine-affine-")


def test_every_flag_has_a_description():
    assert all(field.description for field in RunFlags.model_fields.values())
