"""Every hook: documented, and doing what its documentation says."""

from __future__ import annotations

import inspect
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest

from symdiff import hookspecs
from symdiff.config import RunConfig
from symdiff.diffusion import DDIM, load_denoiser
from symdiff.errors import ModelError, PluginError
from symdiff.models import find_denoiser
from symdiff.plugins import load_plugins, resolve
from symdiff.process import model_of
from symdiff.testing import LAWS
from symdiff.trajectories import record

HOOKS = [name for name in vars(hookspecs) if name.startswith("symdiff_")]

ROOT = Path(__file__).parents[2]

CLASSES = """
import copy
from symdiff import Denoiser, Schedule, hookimpl

class Classes(Denoiser):
    def denoise(self, x, t):
        return 0 * x + self.label

    def conditioned(self, label, guidance):
        model = copy.copy(self)
        model.label, model.digest = label, f"{self.digest}-{label}"
        return model

@hookimpl
def symdiff_sources():
    return {"mine": lambda: Classes("mine", (1, 2, 2), Schedule.linear(), "d")}
"""


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_typed_documented_and_says_since_when(hook):
    specification = getattr(hookspecs, hook)
    assert ".. versionadded::" in specification.__doc__
    assert "return" in specification.__annotations__
    assert set(specification.__annotations__) == {*inspect.signature(specification).parameters, "return"}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_in_the_plugin_guide(hook):
    assert f"`{hook}" in (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_plugin_guide_gives_the_exact_signature_of_every_hook(hook):
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"\n{hook}{signature}\n" in (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_a_deprecated_hook_warns_those_who_implement_it_and_still_works(site, monkeypatch):
    def symdiff_models():
        """Models under the name this hook had before."""

    old = hookspecs.hookspec(warn_on_impl=DeprecationWarning("symdiff_models is now symdiff_sources"))(symdiff_models)
    monkeypatch.setattr(hookspecs, "symdiff_models", old, raising=False)
    site.install("old", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_models(): return {'mine': print}\n")
    with pytest.warns(DeprecationWarning, match="symdiff_models is now symdiff_sources") as caught:
        plugin = load_plugins().plugin("old")
    assert caught[0].filename == str(site.path / "plugin_old.py")
    assert plugin.status.status == "ok"
    assert plugin.manager.hook.symdiff_models() == [{"mine": print}]


def test_a_deprecated_argument_warns_only_those_who_ask_for_it(site, monkeypatch, tmp_path):
    def symdiff_run_finished(result, run_dir, path):
        """As now, with an argument that is to go."""

    gone = {"path": DeprecationWarning("path is now run_dir")}
    old = hookspecs.hookspec(warn_on_impl_args=gone)(symdiff_run_finished)
    monkeypatch.setattr(hookspecs, "symdiff_run_finished", old)
    implementation = "from symdiff import hookimpl\n@hookimpl\ndef symdiff_run_finished({}): pass\n"
    site.install("new", implementation.format("run_dir"))
    assert load_plugins().plugin("new").status.status == "ok"  # and warnings are errors here
    site.install("old", implementation.format("path"))
    with pytest.warns(DeprecationWarning, match="path is now run_dir"):
        assert load_plugins().plugin("old").status.status == "ok"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook):
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    assert re.search(rf"def {hook}\(", tests)


def test_the_example_of_the_plugin_guide_works(site):
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    example, suite = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    site.install("signs", example, module="symdiff_signs")
    family = load_plugins().family("signs")(observation_shape=(1, 2, 2))
    assert family.act(family.identity(), family.sample(3)[:, None, None, None].expand(3, 1, 2, 2)).shape == (3, 1, 2, 2)
    names: dict[str, object] = {}
    exec(suite, names)
    for law in LAWS:
        with suppress(pytest.skip.Exception):
            getattr(names["TestSigns"](), f"test_{law}")()


def test_group_families_can_be_asked_for_by_name(site):
    site.install_family("signs")
    config, family, options = resolve(RunConfig(group="signs"))
    assert family.name == "signs"
    assert config.options == options.model_dump(mode="json")


def test_sources_give_models_by_name(site):
    site.install(
        "models",
        "from symdiff import hookimpl\nfrom symdiff.diffusion import load_denoiser\n@hookimpl\n"
        "def symdiff_sources():\n    return {'mine': lambda: load_denoiser('gaussian'), 'wrong': lambda: 3,"
        " 'failing': lambda: 1 / 0}\n",
    )
    assert find_denoiser("mine").digest == load_denoiser("gaussian").digest
    with pytest.raises(ModelError, match="returned 3, not a Denoiser"):
        find_denoiser("wrong")
    with pytest.raises(ModelError, match="the source of model 'failing' failed: ZeroDivisionError: division by zero"):
        find_denoiser("failing")
    assert resolve(RunConfig(model="mine"))[0].model_digest == load_denoiser("gaussian").digest
    with pytest.raises(ModelError, match="the source of model 'failing' failed"):
        resolve(RunConfig(model="failing"))
    with pytest.raises(ModelError, match="no model 'mime'") as caught:
        find_denoiser("mime")
    assert "did you mean 'mine'?" in caught.value.hint


def test_a_model_of_a_plugin_does_not_pass_for_an_embedded_one(site):
    site.install("models", CLASSES.replace('"mine": lambda', '"digits": lambda'))
    with pytest.raises(ModelError, match="a plugin claims the model 'digits', which is symdiff's own"):
        find_denoiser("digits")
    assert find_denoiser("gaussian").digest == load_denoiser("gaussian").digest
    with pytest.raises(ModelError, match="no model 'digit'") as caught:
        find_denoiser("digit")
    assert caught.value.hint.count("digits,") == 1


def test_the_model_of_a_recording_is_found_again_with_its_class(site):
    site.install("models", CLASSES)
    recording = record(find_denoiser("mine", label=2), DDIM(), 2, 3, device="cpu")
    denoiser, absent = model_of(recording)
    assert absent == ""
    assert denoiser is not None
    assert denoiser.digest == find_denoiser("mine", label=2).digest != find_denoiser("mine", label=1).digest


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("sources", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_sources(): return {NAME: print}"),
        ("diagnostics", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_diagnostics(): return {NAME: print}"),
        ("engines", "from symdiff import hookimpl\n@hookimpl\ndef symdiff_engines(): return {NAME: print}"),
    ],
)
def test_named_things_are_collected_from_all_plugins_and_claimed_once(site, kind, code):
    site.install("one", code.replace("NAME", "'first'"))
    site.install("two", code.replace("NAME", "'second'"))
    found = getattr(load_plugins(), kind)
    assert (found["first"], found["second"]) == (print, print)
    site.install("three", code.replace("NAME", "'first'"))
    with pytest.raises(PluginError, match=r"'first' is claimed by plugin 'one' .* and plugin 'three'"):
        getattr(load_plugins(), kind)


def test_run_finished_tells_every_plugin_and_survives_one_that_fails(site, caplog, tmp_path):
    failing = "from symdiff import hookimpl\n@hookimpl\ndef symdiff_run_finished(result):\n    raise OSError('no')\n"
    site.install("bad", failing)
    site.install(
        "good",
        "from symdiff import hookimpl\n@hookimpl\ndef symdiff_run_finished(result, run_dir):\n"
        "    (run_dir / 'told').write_text(result)\n",
    )
    registry = load_plugins()
    with caplog.at_level(logging.WARNING, "symdiff"):
        registry.run_finished("the result", tmp_path)
    assert (tmp_path / "told").read_text() == "the result"
    assert caplog.messages == ["plugin 'bad' (dist-bad 1.2) failed in symdiff_run_finished: OSError: no"]
