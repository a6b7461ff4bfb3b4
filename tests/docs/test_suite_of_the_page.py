"""The test file shown in testing-plugins.md tests a family."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from pages import BLOCKS

from symdiff.testing.toys import CyclicTranslations


class Mirrored(CyclicTranslations):
    """Turns the image over before it moves it, which is no action: twice is once too often."""

    def act(self, g, x):
        return super().act(g, x.flip(-1))


@pytest.mark.parametrize("family", [CyclicTranslations, Mirrored])
def test_the_class_on_the_page_accepts_what_keeps_the_laws_and_nothing_else(family, monkeypatch):
    plugin = ModuleType("my_plugin")
    plugin.MyFamily = family
    monkeypatch.setitem(sys.modules, "my_plugin", plugin)
    [block] = [block for block in BLOCKS if block.page.name == "testing-plugins.md" and block.language == "python"]
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(block.text, str(block), "exec"), names)
    suite = names["TestMyFamily"]()
    assert isinstance(suite.family(), family)
    suite.test_associativity()
    if family is Mirrored:
        with pytest.raises(AssertionError, match="hold"):
            suite.test_left_action()
    else:
        suite.test_left_action()
