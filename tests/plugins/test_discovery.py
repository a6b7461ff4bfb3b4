"""How a plugin stands, whatever it does when it is loaded."""

from __future__ import annotations

import logging

import pytest

from symdiff.errors import PluginError, UnknownGroupError
from symdiff.plugins import load_plugins

BUNDLED = {"affine", "escnn"}
"""The families of this repository whose dependencies `make setup` installs."""

HOOKIMPL = "from symdiff import hookimpl\n@hookimpl\ndef symdiff_group_families():\n"

BROKEN = {
    "raises at import": ("raise ValueError('of\\nboom')", "ValueError: of boom"),
    "leaves at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "is not Python": ("def (", "SyntaxError"),
    "implements no hook": ("x = 1", "implements no hook"),
    "misspells a hook": (
        "from symdiff import hookimpl\n@hookimpl\ndef symdiff_group_familes(): return []",
        "there is no hook 'symdiff_group_familes'; did you mean 'symdiff_group_families'?",
    ),
    "asks a hook for too much": (
        "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(argument): return {}",
        "argument",
    ),
    "raises in a hook": (HOOKIMPL + "    raise RuntimeError('boom')", "RuntimeError: boom"),
    "returns a number": (HOOKIMPL + "    return 3", "symdiff_group_families returned 3, not a list of classes"),
    "returns one class": (HOOKIMPL + "    return dict", "not a list of classes"),
    "returns no family": (HOOKIMPL + "    return [dict]", "not a subclass of symdiff.GroupFamily"),
    "returns an unfinished family": (
        "from symdiff import GroupFamily\n" + HOOKIMPL + "    return [type('Half', (GroupFamily,), {})]",
        "family Half does not define act, compose, distance, element_shape, identity, inverse, sample",
    ),
    "returns sources that are no mapping": (
        "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(): return ['digits']",
        "not a mapping of names",
    ),
    "returns a source that is no function": (
        "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(): return {'digits': 3}",
        "symdiff_sources returned 'digits': 3, not a name and a function",
    ),
    "needs a module of its own that is not there": ("import plugin_bad.inner", "plugin_bad"),
}


@pytest.mark.parametrize(("code", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_plugin_is_broken_that(site, caplog, code, cause):
    site.install("bad", code)
    site.install_family("good")
    with caplog.at_level(logging.WARNING, "symdiff"):
        registry = load_plugins()
    [status] = [status for status in registry.status if status.name == "bad"]
    assert status.status == "broken"
    assert cause in status.cause
    assert "\n" not in status.cause
    assert status.file == str(site.path / "plugin_bad.py")
    [message] = caplog.messages
    for part in ("'bad'", "dist-bad", "1.2", cause):
        assert part in message
    assert {"good", "affine"} <= set(registry.families)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"name": 3}, "no class attribute 'name'"),
        ({"summary": None}, "no class attribute 'summary'"),
        ({"name": "a.b"}, "is called 'a.b'"),
        ({"Options": dict}, "no pydantic model"),
    ],
)
def test_a_family_is_refused_whose_attributes_are_wrong(site, change, cause):
    lines = "".join(
        f"\nbad.{key} = {value.__name__ if value is dict else repr(value)}" for key, value in change.items()
    )
    site.install_family("bad", more=lines)
    assert cause in load_plugins().plugin("bad").status.cause


def test_a_plugin_is_refused_that_gives_one_name_to_two_families(site):
    site.install_family(
        "bad", more="\n" + "Other = type('Other', (bad,), {})\n@hookimpl\ndef symdiff_sources(): return {}\n"
    )
    assert load_plugins().plugin("bad").status.status == "ok"
    site.install("worse", "from plugin_bad import *\n@hookimpl\ndef symdiff_group_families(): return [bad, Other]\n")
    assert "one name twice: bad, bad" in load_plugins().plugin("worse").status.cause


@pytest.mark.parametrize(
    ("code", "requires", "cause", "hint"),
    [
        ("import surely_absent.inner", (), "surely_absent is not installed", "pip install surely_absent"),
        (
            "import surely_absent",
            ("surely-absent>=2 ; extra == 'fast'",),
            "surely_absent is not installed",
            "pip install 'dist-needy[fast]'",
        ),
        ("import surely_absent", ("surely-absent>=2",), "surely_absent", "pip install 'surely-absent>=2'"),
        ("raise ImportError('libfoo is too old')", (), "libfoo is too old", "pip install --upgrade dist-needy"),
        (
            "from symdiff import MissingExtraError\nraise MissingExtraError('no foo', 'apt install foo')",
            (),
            "no foo",
            "apt install foo",
        ),
    ],
)
def test_a_plugin_is_unavailable_that_lacks_a_dependency(site, caplog, code, requires, cause, hint):
    site.install("needy", code, requires=requires)
    status = load_plugins().plugin("needy").status
    assert (status.status, status.hint) == ("unavailable", hint)
    assert cause in status.cause
    assert caplog.messages == []
    with pytest.raises(PluginError, match=cause) as caught:
        load_plugins().family("needy")
    assert caught.value.hint == hint
    assert caught.value.exit_code == 3


def test_a_dependency_may_be_missing_as_late_as_in_the_hook(site):
    site.install("late", HOOKIMPL + "    import surely_absent\n    return []")
    assert load_plugins().plugin("late").status.status == "unavailable"


@pytest.mark.parametrize(
    "code",
    ["PLUGIN_API = 99", "from symdiff.groups import SomethingOfTheFuture", "import symdiff.of_the_future"],
)
def test_a_plugin_is_incompatible_that_is_built_for_another_api(site, caplog, code):
    site.install_family("future", more="\n" + code)
    status = load_plugins().plugin("future").status
    assert (status.status, status.hint) == ("incompatible", "pip install --upgrade dist-future")
    assert len(caplog.messages) == 1
    with pytest.raises(PluginError, match="incompatible"):
        load_plugins().family("future")


def test_a_family_may_declare_the_api_it_is_built_for(site):
    site.install_family("future", more="\nfuture.PLUGIN_API = 99")
    site.install_family("present", more="\nfrom symdiff.groups import PLUGIN_API\npresent.PLUGIN_API = PLUGIN_API")
    registry = load_plugins()
    assert registry.plugin("future").status.status == "incompatible"
    assert registry.plugin("present").status.status == "ok"


def test_the_affine_family_comes_through_the_same_door():
    status = load_plugins().plugin("affine").status
    assert (status.status, status.distribution, status.families) == ("ok", "symdiff-toolkit", ("affine",))


def test_what_a_plugin_prints_does_not_reach_stdout(site, capsys):
    site.install_family("noisy", more="\nprint('hello')")
    load_plugins()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "hello\n"


def test_two_plugins_may_not_claim_one_family(site):
    site.install_family("one", family="same")
    site.install_family("two", family="same")
    registry = load_plugins()
    with pytest.raises(PluginError, match=r"'one' \(dist-one 1.2\) and plugin 'two' \(dist-two 1.2\)") as caught:
        registry.family("same")
    assert caught.value.hint == "leave one out: SYMDIFF_DISABLE_PLUGINS=two"
    assert "same" not in registry.families
    assert registry.family("affine").name == "affine"


def test_two_distributions_may_use_one_entry_point_name(site):
    site.install_family("twin", family="left", module="left_twin", distribution="left")
    site.install_family("twin", family="right", module="right_twin", distribution="right")
    registry = load_plugins()
    assert {"left", "right"} <= set(registry.families)
    with pytest.raises(PluginError, match="claimed by") as caught:
        registry.plugin("twin")
    assert caught.value.hint == "leave one out: SYMDIFF_DISABLE_PLUGINS=right"


def test_an_unknown_group_names_what_is_installed_and_the_nearest(site):
    site.install_family("signs")
    site.install("bad", "raise ValueError")
    with pytest.raises(UnknownGroupError, match=r"no group family 'sings'; installed: actions, .*signs") as caught:
        load_plugins().family("sings")
    assert caught.value.hint == "did you mean 'signs'? not loaded: 'bad' (dist-bad 1.2); see `symdiff plugins list`"


def test_an_unknown_plugin_names_the_nearest():
    with pytest.raises(PluginError, match="no plugin 'afine'; installed: actions, affine") as caught:
        load_plugins().plugin("afine")
    assert caught.value.hint == "did you mean 'affine'?"


@pytest.mark.parametrize(
    ("variable", "value", "loaded"),
    [
        ("SYMDIFF_LOAD_PLUGINS", "signs", {"signs"}),
        ("SYMDIFF_LOAD_PLUGINS", "dist-signs, affine", {"signs", "affine"}),
        ("SYMDIFF_LOAD_PLUGINS", "", set()),
        ("SYMDIFF_DISABLE_PLUGINS", "signs", BUNDLED),
        ("SYMDIFF_DISABLE_PLUGINS", "dist-signs", BUNDLED),
        ("SYMDIFF_DISABLE_PLUGINS", "", {"signs", *BUNDLED}),
    ],
)
def test_variables_say_which_plugins_are_loaded(site, monkeypatch, variable, value, loaded):
    site.install_family("signs")
    monkeypatch.setenv(variable, value)
    registry = load_plugins()
    named = {"signs", "affine", *loaded}  # whether others are there depends on what is installed
    assert set(registry.families) & named == loaded
    for status in registry.status:
        if status.name in named:
            assert (status.status == "ok") == (status.name in loaded)
        assert status.status == "ok" or variable in status.hint


def test_a_disabled_plugin_is_not_even_imported(site, monkeypatch):
    site.install("bad", "raise ValueError")
    monkeypatch.setenv("SYMDIFF_DISABLE_PLUGINS", "bad")
    monkeypatch.setenv("SYMDIFF_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="is disabled") as caught:
        load_plugins().family("bad")
    assert caught.value.hint == "SYMDIFF_DISABLE_PLUGINS names it"


def test_a_variable_that_names_nothing_installed_is_mentioned(monkeypatch, caplog):
    monkeypatch.setenv("SYMDIFF_DISABLE_PLUGINS", "afine")
    load_plugins()
    assert caplog.messages == ["SYMDIFF_DISABLE_PLUGINS names 'afine', which is not installed; did you mean 'affine'?"]


def test_a_broken_plugin_is_an_error_where_plugins_are_strict(site, monkeypatch):
    site.install("bad", "raise ValueError('boom')")
    monkeypatch.setenv("SYMDIFF_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"plugin 'bad' \(dist-bad 1.2\) is broken: ValueError: boom"):
        load_plugins()
    monkeypatch.setenv("SYMDIFF_STRICT_PLUGINS", "0")
    assert load_plugins().plugin("bad").status.status == "broken"


def test_plugins_are_loaded_once_a_process(site, caplog):
    site.install("bad", "raise ValueError")
    assert load_plugins() is load_plugins()
    assert len(caplog.messages) == 1
