"""Batches that are made ahead are the batches that are made in their turn."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

from symdiff.errors import StoreError
from symdiff.trajectories import Sequences
from symdiff.trajectories.stream import prefetched

CPU = torch.device("cpu")


def batch(step: int) -> Sequences:
    generator = torch.Generator().manual_seed(step)
    return Sequences(
        torch.randn(4, 3, 1, 2, 2, generator=generator),
        torch.randn(4, 2, 5, generator=generator),
        torch.full((4, 3), step),
        torch.arange(4),
    )


def assert_same(found: Sequences, expected: Sequences) -> None:
    for name in ("observations", "actions", "times", "trajectory"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


@pytest.mark.parametrize("ahead", [0, 1, 2, 50])
@pytest.mark.parametrize("steps", [range(0), range(1), range(7), range(3, 9)])
def test_every_batch_comes_in_its_turn(steps: range, ahead: int) -> None:
    with prefetched(batch, steps, CPU, ahead) as batches:
        found = list(batches)
    assert len(found) == len(steps)
    for step, one in zip(steps, found, strict=True):
        assert_same(one, batch(step))


def test_the_next_batches_are_made_while_one_is_used() -> None:
    made: list[int] = []
    enough = threading.Event()

    def make(step: int) -> Sequences:
        made.append(step)
        if len(made) == 3:
            enough.set()
        return batch(step)

    with prefetched(make, range(10), CPU, ahead=2) as batches:
        next(batches)
        assert enough.wait(60)
        assert made == [0, 1, 2]  # and no more than was asked for


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_is_raised_in_its_turn(ahead: int) -> None:
    def make(step: int) -> Sequences:
        if step == 3:
            raise StoreError("gone")
        return batch(step)

    used = []

    def use() -> None:
        with prefetched(make, range(10), CPU, ahead) as batches:
            for one in batches:
                used.append(int(one.times[0, 0]))

    with pytest.raises(StoreError, match="gone"):
        use()
    assert used == [0, 1, 2]


@pytest.mark.parametrize("end", [KeyboardInterrupt, ValueError, StopIteration])
def test_whatever_ends_the_use_ends_the_thread(end: type[BaseException]) -> None:
    before = threading.active_count()

    def use() -> None:
        with prefetched(batch, range(1000), CPU) as batches:
            next(batches)
            assert threading.active_count() == before + 1
            raise end

    with pytest.raises((end, RuntimeError)):
        use()
    assert threading.active_count() == before


@pytest.mark.gpu
def test_one_action_for_all_is_sent_to_the_gpu_as_well() -> None:
    one = batch(0)
    same = replace(one, actions=one.actions[:1].expand_as(one.actions))
    with prefetched(lambda step: same, range(2), torch.device("cuda")) as batches:
        assert all(torch.equal(found.actions.cpu(), same.actions) for found in batches)


@pytest.mark.gpu
def test_on_the_gpu_the_batches_are_the_same() -> None:
    with prefetched(batch, range(20), torch.device("cuda")) as batches:
        for step, one in enumerate(batches):
            assert one.observations.is_cuda
            assert_same(one.to("cpu"), batch(step))
