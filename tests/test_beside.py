"""Work beside other work: the same result, on half of the processors, and no longer than anybody waits for it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from symdiff import run
from symdiff.analyze import analyze
from symdiff.beside import Beside, Later, beside, room_for_two, together
from symdiff.config import RunConfig
from symdiff.groups import GroupFamily
from symdiff.learned import LearnedRun
from symdiff.plugins import resolve
from symdiff.progress import Progress, Silent
from symdiff.rundir import RunDirectory
from symdiff.warned import warnings_kept

SMALL = {"model": "gaussian", "trajectories": 40, "steps": 4, "latent": 4, "train_steps": 10, "length": 2}


class Steps:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def phase(self, name: str) -> None:
        pass

    def update(self, done: int, total: int, **figures: float) -> None:
        self.told.append((done, total))


@pytest.fixture
def processors() -> Iterator[int]:
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(1)


def threads_of(*of: object) -> int:
    return torch.get_num_threads()


def test_both_threads_compute_on_half_of_the_processors_until_the_second_is_left(processors: int) -> None:
    with beside() as second:
        work = second.begin(threads_of)
        assert torch.get_num_threads() == processors // 2
        assert work.result(Silent()) == processors // 2
        assert torch.get_num_threads() == processors // 2
    assert torch.get_num_threads() == processors


def test_pieces_of_work_are_done_one_after_the_other_in_the_second_thread(processors: int) -> None:
    done: list[tuple[str, str]] = []

    def work(name: str) -> Later[None]:
        return second.begin(lambda progress: done.append((name, threading.current_thread().name)))

    with beside() as second:
        for piece in [work("a"), work("b"), work("c")]:
            piece.result(Silent())
    assert [name for name, _ in done] == ["a", "b", "c"]
    assert len({thread for _, thread in done} - {threading.current_thread().name}) == 1


def test_without_a_second_thread_work_is_done_when_it_is_asked_for() -> None:
    done: list[str] = []
    steps = Steps()

    def work(progress: Progress) -> str:
        done.append(threading.current_thread().name)
        progress.update(1, 1)
        return "done"

    later = Later(work)
    assert done == []
    assert later.result(steps) == "done"
    assert done == [threading.current_thread().name]
    assert steps.told == [(1, 1)]


def test_whoever_waits_is_told_of_the_steps_that_are_left(processors: int) -> None:
    begun, waited_for = threading.Event(), threading.Event()

    def work(progress: Progress) -> str:
        progress.update(1, 2)
        begun.set()
        assert waited_for.wait(30)
        progress.update(2, 2)
        return "done"

    steps = Steps()
    with beside() as second:
        under_way = second.begin(work)
        assert begun.wait(30)
        release = threading.Timer(0.1, waited_for.set)
        release.start()
        assert under_way.result(steps) == "done"
    assert steps.told == [(2, 2)]


def test_a_failure_is_raised_where_the_result_is_asked_for(processors: int) -> None:
    def work(progress: Progress) -> None:
        raise ValueError("of the work")

    def ask() -> None:
        with beside() as second:
            second.begin(work).result(Silent())

    with pytest.raises(ValueError, match="of the work"):
        ask()
    assert torch.get_num_threads() == processors


def test_work_that_nobody_waits_for_ends_at_once_and_what_is_not_begun_never_begins(processors: int) -> None:
    begun, done = threading.Event(), []

    def work(progress: Progress) -> None:
        begun.set()
        try:
            while True:  # as long as it likes, without telling of a step
                try:
                    torch.ones(8).sum()
                except Exception:
                    done.append("handled")
        finally:
            done.append("ended")

    def fail() -> None:
        with beside() as second:
            second.begin(work)
            second.begin(lambda progress: done.append("begun"))
            assert begun.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert done == ["ended"]
    assert torch.get_num_threads() == processors
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("symdiff-beside")]


def test_what_the_second_thread_has_not_begun_is_done_by_who_asks_for_it(processors: int) -> None:
    asked = threading.Event()
    with beside() as second:
        other = second.begin(lambda progress: (asked.wait(30), threading.get_ident()))
        later = second.begin(lambda progress: (threading.get_ident(), torch.get_num_threads()))
        assert later.result(Silent()) == (threading.get_ident(), processors // 2)
        asked.set()
        assert other.result(Silent())[1] != threading.get_ident()


@given(parts=st.lists(st.integers(), min_size=1, max_size=4))
def test_parts_worked_on_together_come_back_in_their_order_each_on_its_share(parts: list[int]) -> None:
    torch.set_num_threads(4)
    try:
        found = together(lambda part: (part, torch.get_num_threads(), threading.get_ident()), parts)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(1)
    assert [part for part, _, _ in found] == parts
    assert {share for _, share, _ in found} == {4 // len(parts)}
    assert found[0][2] == threading.get_ident()


def test_nothing_is_differentiated_in_work_done_together(processors: int) -> None:
    with torch.no_grad():
        assert together(lambda part: torch.is_grad_enabled(), [1, 2, 3]) == [False] * 3


@pytest.mark.parametrize("failing", [0, 1])
def test_a_part_that_fails_is_told_when_the_others_are_done(processors: int, failing: int) -> None:
    def work(part: int) -> None:
        if part == failing:
            raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match=f"part {failing}"):
        together(work, [0, 1])
    assert torch.get_num_threads() == processors
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("symdiff-together")]


def test_warnings_of_another_thread_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", lambda *said, **more: None)

    def warn(message: str) -> None:
        warnings.warn(message, stacklevel=1)

    with warnings.catch_warnings(), warnings_kept() as caught:
        warnings.simplefilter("always")
        other = threading.Thread(target=warn, args=("of another thread",))
        other.start()
        other.join()
        warn("of this one")
        assert caught() == ["of this one", "of another thread"]


def test_an_analysis_finds_the_same_when_process_and_decomposition_are_found_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    class Counted(Beside):
        def begin(self, work: Callable[[Progress], Any]) -> Later[Any]:
            begun.append(work.__name__)
            return super().begin(work)

    monkeypatch.setattr("symdiff.beside.Beside", Counted)
    config = RunConfig.model_validate(SMALL)
    assert not room_for_two()
    alone = analyze(config, tmp_path / "alone")
    assert begun == []
    # Two threads as the run sees them; one really, so that nothing is rounded another way.
    monkeypatch.setattr(run, "room_for_two", lambda: True)
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    both = analyze(config, tmp_path / "both")
    assert begun == ["_describe_steps", "untold"]
    same = {"timing", "config"}
    assert both.model_dump(exclude=same) == alone.model_dump(exclude=same)
    drawn = [load_file(tmp_path / name / "figures.safetensors") for name in ("alone", "both")]
    assert drawn[0].keys() == drawn[1].keys()
    for name, array in drawn[0].items():
        np.testing.assert_array_equal(drawn[1][name], array)


def test_a_group_of_the_users_own_is_asked_by_one_thread(tmp_path: Path, processors: int) -> None:
    config = RunConfig.model_validate(SMALL)
    asking = LearnedRun(config, RunDirectory(config, tmp_path), torch.device("cpu"), Silent())
    ours = resolve(config)[1].of((1, 8, 8))
    own = threading.get_ident()
    with beside() as asking._second:
        for family, by_own in ((ours, False), (cast(GroupFamily, object()), True)):
            asking.family = family
            assert (asking.later(threading.get_ident).result(Silent()) == own) is by_own
