from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.errors import ConfigError
from symdiff.trajectories import Trajectories, Windows, cut

STEPS = 7  # of the recording in conftest.py


def assert_consecutive(windows: Windows, recording: Trajectories, length: int) -> None:
    """Observation j of window i is the state of its trajectory at its time, and time advances by one."""
    assert windows.observations.shape == (len(windows.trajectory), length + 1, *recording.observation_shape)
    assert (windows.times.diff(dim=1) == 1).all()
    for observations, times, trajectory in zip(*windows, strict=True):
        assert torch.equal(observations, recording.states[trajectory, times[0] : times[0] + length + 1])


@given(length=st.integers(1, STEPS), n=st.integers(0, 20), seed=st.integers(0, 100))
def test_random_windows_are_consecutive_states(recording: Trajectories, length: int, n: int, seed: int) -> None:
    windows = cut(recording, length, n, torch.Generator().manual_seed(seed))
    assert len(windows.trajectory) == n
    assert_consecutive(windows, recording, length)


def test_the_same_generator_gives_the_same_windows(recording: Trajectories) -> None:
    first, second = (cut(recording, 3, 50, torch.Generator().manual_seed(8)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_random_windows_are_uniform_over_trajectories_and_starts(recording: Trajectories) -> None:
    n, length = 20_000, 3
    windows = cut(recording, length, n, torch.Generator().manual_seed(0))
    starts = STEPS - length + 1
    counts = torch.bincount(windows.trajectory * starts + windows.times[:, 0], minlength=5 * starts)
    expected = n / (5 * starts)
    assert ((counts - expected).abs() < 5 * expected**0.5).all()


@given(length=st.integers(1, STEPS), bad=st.sets(st.integers(0, STEPS - 1), min_size=1))
def test_no_window_contains_an_unusable_step(recording: Trajectories, length: int, bad: set[int]) -> None:
    usable = torch.tensor([step not in bad for step in range(STEPS)])
    good = [s for s in range(STEPS - length + 1) if usable[s : s + length].all()]
    if not good:
        with pytest.raises(ConfigError, match=f"no {length} consecutive steps are all usable"):
            cut(recording, length, 10, usable=usable)
        return
    drawn = cut(recording, length, 2000, torch.Generator().manual_seed(0), usable=usable)
    assert set(drawn.times[:, 0].tolist()) == set(good)


@pytest.mark.parametrize("length", [0, STEPS + 1])
def test_a_length_that_does_not_fit_is_refused(recording: Trajectories, length: int) -> None:
    with pytest.raises(ConfigError, match=f"a window of {length} steps does not fit trajectories of {STEPS}"):
        cut(recording, length, 10)


def test_no_trajectories_give_no_windows(recording: Trajectories) -> None:
    with pytest.raises(ConfigError, match="no trajectory"):
        cut(recording.select(slice(0)), 2, 10)
