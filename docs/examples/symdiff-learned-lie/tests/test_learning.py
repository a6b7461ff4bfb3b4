"""A planted algebra is found again, no more and no less; where there is none, none is found."""

from functools import lru_cache

import pytest
import torch
from symdiff_learned_lie.family import LearnedLie, NotLearnedError
from symdiff_learned_lie.learning import bracket_defect, learn, principal_angles, random_span
from symdiff_learned_lie.planted import ALGEBRAS, Planted
from symdiff_learned_lie.steps import TooFewError

from symdiff import ConfigError, decompose
from symdiff.diffusion import DDIM, DDPM
from symdiff.testing import GroupFamilySuite
from symdiff.trajectories import record

LARGEST_ANGLE = {"so2xso2": 1.5, "so3": 5.0}
"""Degrees between the learned and the planted span; so(3) is planted to first order in its speed only."""


@lru_cache
def recorded(algebra, sampler=DDIM, speed=0.5):
    return record(Planted(algebra, speed=speed), sampler(), 20, 256, device="cpu")


@lru_cache
def learned(algebra, sampler=DDIM):
    return learn(recorded(algebra, sampler), ALGEBRAS[algebra].shape[-1])


@lru_cache
def family(algebra="so2xso2"):
    options = LearnedLie.Options(dimension=ALGEBRAS[algebra].shape[-1])
    found = LearnedLie((1, 4, 4), options)
    found.sequences(recorded(algebra), 2, 8)
    return found


class TestLearnedLie(GroupFamilySuite):
    linear = True
    tolerance = 1e-8

    def family(self):
        return family()


class TestPlantedGenerators(GroupFamilySuite):
    linear = True
    examples = 4

    def family(self):
        return LearnedLie((1, 3, 3), LearnedLie.Options(generators="so3"))


@pytest.mark.parametrize("sampler", [DDIM, DDPM])
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_the_planted_generators_are_found_and_are_as_many_as_planted(algebra, sampler):
    found = learned(algebra, sampler)
    assert len(found.generators) == len(ALGEBRAS[algebra])
    assert float(principal_angles(found.in_pixels, Planted(algebra).in_pixels).max()) < LARGEST_ANGLE[algebra]
    assert found.explained[-1] > 0.99
    assert found.explained[-1] <= found.linear + 1e-9


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_what_is_found_closes_under_brackets_as_no_random_subspace_does(algebra):
    found = learned(algebra)
    low, high = found.closure_interval
    assert found.closure < 0.07
    assert low <= high < 0.2 * float(found.closure_null.min())


def test_a_process_without_rotations_has_no_generators():
    found = learn(recorded("so2xso2", DDIM, 0.0), 4)
    assert (len(found.generators), found.closure) == (0, None)


def test_decompose_finds_both_planes_of_so2xso2_in_the_learned_group():
    g = family().sample(64, torch.Generator().manual_seed(0)).double()
    found = decompose(g.numpy(), noise=0.003)
    assert found.verdict == "decomposable"
    assert sorted(block.dim * block.multiplicity for block in found.blocks) == [2, 2]


def test_so3_is_closed_and_two_of_its_generators_are_not():
    rotations = ALGEBRAS["so3"] / 2**0.5
    assert bracket_defect(rotations) == pytest.approx(0, abs=1e-12)
    assert bracket_defect(rotations[:2]) == pytest.approx(0.5**0.5)
    assert bracket_defect(rotations[:1]) is None


def test_random_subspaces_are_orthonormal_and_traceless():
    span = random_span(3, 4, torch.Generator().manual_seed(0))
    torch.testing.assert_close(span.flatten(1) @ span.flatten(1).mT, torch.eye(3).double())
    assert float(span.diagonal(dim1=1, dim2=2).sum(1).abs().max()) < 1e-12


def test_a_family_that_has_seen_no_recording_says_so():
    with pytest.raises(NotLearnedError, match="no generators are learned yet"):
        LearnedLie((1, 4, 4)).sample(3)


def test_too_few_trajectories_and_a_latent_dimension_that_does_not_fit_are_refused():
    with pytest.raises(TooFewError, match="8 trajectories are too few to learn generators in 4 dimensions"):
        learn(recorded("so2xso2").select(slice(8)), 4)
    with pytest.raises(ConfigError, match="has dimension 4, --latent is 7"):
        family().latent_dimension(7)
