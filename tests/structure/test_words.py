"""Elements to decompose on are held-out elements of the group, far enough from the identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.structure.words import APART, SHARE, count, displacement, words
from symdiff.trajectories import Trajectories
from symdiff_affine.family import AffineFamily


class Still(Representation):
    """Moves nothing, or next to nothing."""

    form, block_sizes = "mlp", (4,)

    def blocks(self, g: Tensor) -> list[Tensor]:
        return [(1 + 1e-3 * (1 - g[..., :1, None, None])) * torch.eye(4, dtype=g.dtype)]


def test_a_word_is_the_product_of_consecutive_recorded_steps(recording: Trajectories, family: AffineFamily) -> None:
    found = words(family, recording, Still())
    steps = recording.steps
    assert steps // SHARE // 2 < found.length <= steps // SHARE  # as long as allowed, for a rho that hardly moves
    a = recording.gauges["v"]
    windows = [(start, float(a[start : start + found.length].prod())) for start in range(steps - found.length + 1)]
    states = recording.states.flatten(2)
    for word in found.elements[:10]:
        start = min(windows, key=lambda window: abs(window[1] - float(word[0])))[0]
        moved = word[0] * states[:, start] + word[1:]
        assert float((moved - states[:, start + found.length]).abs().amax(1).min()) < 1e-5


def test_words_are_no_longer_than_it_takes_to_move(
    recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE]
) -> None:
    rho = exact(5).representation
    found = words(family, recording, rho)
    assert displacement(rho(found.elements)) >= APART
    assert found.length < words(family, recording, Still()).length


def test_there_are_enough_elements_for_a_resample_to_generate_the_affine_group(
    recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE]
) -> None:
    assert 0.63 * count(32) > 32 + 2
    found = words(family, recording, exact(9).representation)
    assert len(found.elements) == count(9)
    assert torch.linalg.matrix_rank(found.elements) == found.elements.shape[1]


def test_no_element_is_counted_twice(recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE]) -> None:
    found = words(family, recording.select(slice(0, 1)), exact(5).representation)
    assert len(found.elements) == len(torch.unique(found.elements, dim=0)) <= recording.steps


def test_a_group_that_acts_on_observations_is_sampled(
    recording: Trajectories, family: AffineFamily, exact: Callable[..., HAE], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(family), "actions_are_steps", False)
    found = words(family, recording, exact(5).representation, seed=3)
    again: Any = family.sample(count(5), torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(found.elements, again)
