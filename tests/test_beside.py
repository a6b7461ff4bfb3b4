"""Work beside other work: the same result, on half of the processors, and no longer than anybody waits for it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from symdiff import run
from symdiff.analyze import analyze
from symdiff.beside import Beside, beside, room_for_two
from symdiff.config import RunConfig
from symdiff.progress import Progress, Silent
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


def test_both_threads_compute_on_half_of_the_processors_until_the_work_is_done(processors: int) -> None:
    with beside(lambda progress: torch.get_num_threads()) as under_way:
        assert torch.get_num_threads() == processors // 2
        assert under_way.result(Silent()) == processors // 2
        assert torch.get_num_threads() == processors


def test_whoever_waits_is_told_of_the_steps_that_are_left(processors: int) -> None:
    begun, waited_for = threading.Event(), threading.Event()

    def work(progress: Progress) -> str:
        progress.update(1, 2)
        begun.set()
        assert waited_for.wait(30)
        progress.update(2, 2)
        return "done"

    steps = Steps()
    with beside(work) as under_way:
        assert begun.wait(30)
        release = threading.Timer(0.1, waited_for.set)
        release.start()
        assert under_way.result(steps) == "done"
    assert steps.told == [(2, 2)]


def test_a_failure_is_raised_where_the_result_is_asked_for(processors: int) -> None:
    def work(progress: Progress) -> None:
        raise ValueError("of the work")

    with beside(work) as under_way, pytest.raises(ValueError, match="of the work"):
        under_way.result(Silent())
    assert torch.get_num_threads() == processors


def test_work_that_nobody_waits_for_ends_at_its_next_step(processors: int) -> None:
    reached: list[int] = []
    left = threading.Event()

    def work(progress: Progress) -> None:
        assert left.wait(30)
        for step in range(1000):
            progress.update(step, 1000)
            reached.append(step)

    def fail() -> None:
        with beside(work) as under_way:
            under_way._told.ended = True  # as leaving does first, lest the work be quicker
            left.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert reached == []
    assert torch.get_num_threads() == processors
    assert not [thread for thread in threading.enumerate() if thread.name == "symdiff-beside"]


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


def test_an_analysis_finds_the_same_when_the_process_is_described_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    class Counted(Beside[object]):
        def __init__(self, work: object) -> None:
            begun.append("beside")
            super().__init__(work)  # type: ignore[arg-type]

    monkeypatch.setattr("symdiff.beside.Beside", Counted)
    config = RunConfig.model_validate(SMALL)
    assert not room_for_two()
    alone = analyze(config, tmp_path / "alone")
    assert begun == []
    # Two threads as the run sees them; one really, so that nothing is rounded another way.
    monkeypatch.setattr(run, "room_for_two", lambda: True)
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    both = analyze(config, tmp_path / "both")
    assert begun == ["beside"]
    assert both.process == alone.process
    assert both.diagnostics == alone.diagnostics
    assert both.warnings == alone.warnings
