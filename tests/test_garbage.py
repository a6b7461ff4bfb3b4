"""Modules are not looked through for garbage; everything else still is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from symdiff.garbage import importing


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("collecting", [True, False])
def test_nothing_is_collected_while_modules_are_imported_and_what_follows_is(collecting: bool) -> None:
    if not collecting:
        gc.disable()
    try:
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled() == collecting
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
    gone = weakref.ref(Cycle())
    gc.collect()
    assert gone() is None


def test_only_what_is_there_the_first_time_is_kept_for_good() -> None:
    with importing():
        pass
    with importing():
        gone = weakref.ref(Cycle())
    gc.collect()
    assert gone() is None


def test_a_failure_to_import_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(ModuleNotFoundError), importing():
        raise ModuleNotFoundError("torch")
    assert gc.isenabled()
