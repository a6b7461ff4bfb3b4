"""The noise of a trajectory is one stream of numbers, however it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.trajectories.noise import BatchNoise

SHAPE = (2, 3, 4)


def stream(seed: int, trajectory: int, steps: int) -> torch.Tensor:
    """All noise of a trajectory, drawn by one call: that of x_T and of every step."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, trajectory], dtype=np.uint64)))
    return torch.from_numpy(generator.standard_normal((steps + 1, *SHAPE), dtype=np.float32))


@settings(max_examples=40)
@given(
    steps=st.integers(1, 12),
    known=st.booleans(),
    at_once=st.integers(1, 500),
    trajectories=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_it_is_the_stream_of_its_trajectory_whatever_is_drawn_at_once_or_passed_over(
    steps, known, at_once, trajectories, seed, data
) -> None:
    asked = data.draw(st.lists(st.integers(-1, steps - 1), unique=True).map(sorted))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("symdiff.trajectories.noise.AHEAD_NUMBERS", at_once)
        noise = BatchNoise(seed, trajectories, SHAPE, steps=steps if known else None)
        drawn = {i: noise.normal(i).clone() for i in asked}
        again = noise.normal(asked[-1]) if asked else None
    for row, trajectory in enumerate(trajectories):
        whole = stream(seed, trajectory, steps)
        assert all(torch.equal(numbers[row], whole[i + 1]) for i, numbers in drawn.items())
    assert again is None or torch.equal(again, drawn[asked[-1]])


def test_what_was_drawn_for_a_later_step_is_not_given_for_an_earlier_one() -> None:
    noise = BatchNoise(0, range(2), SHAPE)
    noise.normal(4)
    with pytest.raises(ValueError, match="noise of step 3 asked for after that of step 4"):
        noise.normal(3)


@pytest.mark.gpu
def test_on_the_gpu_it_is_the_same() -> None:
    here, there = (BatchNoise(1, range(3), SHAPE, device, steps=5) for device in ("cpu", "cuda"))
    assert all(torch.equal(here.normal(i), there.normal(i).cpu()) for i in range(-1, 5))
