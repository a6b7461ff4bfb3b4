"""Actions that add and actions that are rotations keep the laws of a group; of others none is claimed."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch

from symdiff.errors import ConfigError, SequencesError, UnknownLawError
from symdiff.groups import GroupFamily
from symdiff.testing import GroupFamilySuite
from symdiff.testing.subject import made_up
from symdiff.trajectories import ObservedSequences, Trajectories
from symdiff_actions.family import ActionsFamily
from symdiff_actions.options import ActionsOptions
from symdiff_actions.rotations import product, rotation_vector, within_half_a_turn

SHAPE = (1, 2, 3)


def observed(size: int, count: int = 6, steps: int = 5) -> ObservedSequences:
    generator = torch.Generator().manual_seed(0)
    observations = torch.rand(count, steps + 1, *SHAPE, generator=generator)
    return ObservedSequences.of(observations, 0.5 * torch.randn(count, steps, size, generator=generator))


def crosses(v: torch.Tensor) -> torch.Tensor:
    """The matrices of ``x -> v x x``."""
    shape = (*v.shape, 3)
    return torch.linalg.cross(v[..., None, :].expand(shape), torch.eye(3, dtype=v.dtype).expand(shape)).mT


def family(size: int = 2, **options: object) -> GroupFamily:
    return ActionsFamily.of(SHAPE, ActionsOptions(**options)).for_recording(observed(size))


class ObservedSuite(GroupFamilySuite):
    examples = 4
    latent = 4
    size: ClassVar[int] = 2
    options: ClassVar[dict[str, object]] = {}
    not_applicable: ClassVar[dict[str, str]] = {
        "sequences": "observations follow one another as observed, not by `act`",
    }

    def family(self) -> GroupFamily:
        return family(self.size, hidden=8, **self.options)

    def trajectories(self) -> Trajectories:
        return observed(self.size)


class TestAdditiveActions(ObservedSuite):
    size = 3
    options: ClassVar[dict[str, object]] = {"law": "additive"}


class TestRotations(ObservedSuite):
    size = 3
    options: ClassVar[dict[str, object]] = {"law": "rotation", "rho": "lie", "block": 2}


class TestActionsOfUnknownLaw(ObservedSuite):
    options: ClassVar[dict[str, object]] = {"rho": "mlp-skew"}


def test_without_a_law_products_identity_and_inverse_are_refused_by_name():
    f = family()
    g = f.sample(3)
    assert not f.law_known
    for ask in (f.identity, lambda: f.compose(g, g), lambda: f.inverse(g)):
        with pytest.raises(UnknownLawError, match="is not known: the law of these actions is not") as caught:
            ask()
        assert "-o law=additive" in caught.value.hint


def test_elements_are_observed_ones():
    f = family(3)
    seen = observed(3).actions.flatten(0, 1)
    drawn = f.sample(20, torch.Generator().manual_seed(1))
    assert f.element_shape == (3,)
    assert all(bool((seen == g).all(-1).any()) for g in drawn)


def test_sequences_are_windows_of_the_observed_ones():
    recording = observed(2)
    found = family().sequences(recording, 3, 10, torch.Generator().manual_seed(2))
    rows, at = found.trajectory[:, None], found.times
    assert torch.equal(found.observations, recording.states[rows, at])
    assert torch.equal(found.actions, recording.actions[rows, at[:, :-1]])


def test_a_recording_of_a_diffusion_model_is_refused():
    with pytest.raises(SequencesError, match="learns from observed sequences"):
        ActionsFamily(SHAPE).for_recording(made_up(SHAPE))


def test_rotations_of_two_numbers_are_refused():
    with pytest.raises(ConfigError, match="three numbers, and actions have 2"):
        family(2, law="rotation")


def test_observations_outside_0_and_1_have_no_bernoulli_likelihood():
    recording = observed(2)
    outside = ObservedSequences.of(recording.states - 0.5, recording.actions)
    with pytest.raises(ConfigError, match=r"images in \[0, 1\]"):
        ActionsFamily(SHAPE, ActionsOptions(likelihood="bernoulli")).for_recording(outside)


def test_two_quarter_turns_about_different_axes_are_a_third_of_a_turn_about_the_diagonal():
    x, y = torch.eye(3, dtype=torch.float64)[:2] * math.pi / 2
    expected = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64) / math.sqrt(3) * 2 * math.pi / 3
    torch.testing.assert_close(product(y, x), expected)


def test_rotation_vectors_multiply_as_matrices_do():
    v = torch.randn(2, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    second, first = torch.matrix_exp(crosses(v))
    torch.testing.assert_close(torch.matrix_exp(crosses(product(*v))), second @ first)


def test_a_rotation_is_the_same_after_a_whole_turn():
    v = torch.tensor([[0.0, 0.3, 0.4]], dtype=torch.float64)
    torch.testing.assert_close(within_half_a_turn(v * (1 + 2 * math.pi / 0.5)), v)
    assert bool(rotation_vector(torch.tensor([[-1.0]]), torch.zeros(1, 3)).isfinite().all())
