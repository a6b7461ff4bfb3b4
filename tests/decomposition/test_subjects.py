"""The expected structures, checked against dense linear algebra where that is affordable."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.decomposition import subjects
from tests.decomposition.subjects import SIGMAS, Subject, intertwiner_dim, random_direct_sum

DRAWS = 500
RNG = np.random.default_rng


def commutant_dim(subject: Subject) -> int:
    return intertwiner_dim(subject.matrices, subject.matrices)


def test_the_comparison_case_has_the_commutant_of_its_multiplicities() -> None:
    subject = subjects.s4_comparison(RNG(0)).under_similarity(RNG(1))
    assert subject.size == 18
    assert commutant_dim(subject) == subject.semisimple_dim == 18


@pytest.mark.parametrize("seed", range(60))
def test_small_random_sums_have_the_commutant_of_their_structure(seed: int) -> None:
    subject = random_direct_sum(seed, largest=16, sigma=0.0)
    assert sum(dim * multiplicity for dim, multiplicity, _ in subject.expected) == subject.size <= 16
    assert commutant_dim(subject) == subject.semisimple_dim


def test_random_sums_range_over_every_group_size_type_and_noise() -> None:
    drawn = [random_direct_sum(seed) for seed in range(DRAWS)]
    groups = Counter(subject.description.split(",")[1].split(":")[0].strip()[:2] for subject in drawn)
    assert set(groups) == {"S3", "S4", "S5", "S6", "SO", "SU", "Q8", *(g for g in groups if g[0] in "CD")}
    assert {subject.sigma for subject in drawn} == set(SIGMAS)
    assert min(subject.size for subject in drawn) <= 2
    assert max(subject.size for subject in drawn) > 120
    types = {type for subject in drawn for _, multiplicity, type in subject.expected if multiplicity > 1}
    assert types == {"R", "C", "H"}
    assert 10 < sum(len(subject.expected) == 1 for subject in drawn) < DRAWS / 2


def test_the_same_seed_draws_the_same_sum_and_another_a_different_one() -> None:
    first, again, other = random_direct_sum(5), random_direct_sum(5), random_direct_sum(6)
    np.testing.assert_array_equal(first.matrices, again.matrices)
    assert first.description != other.description


def test_noise_has_the_size_it_is_said_to_have() -> None:
    subject = random_direct_sum(3)
    clean = random_direct_sum(3, sigma=0.0)
    noisy = clean.with_noise(0.1, RNG(0))
    assert noisy.size == subject.size
    assert np.std(noisy.matrices - clean.matrices) * np.sqrt(clean.size) == pytest.approx(0.1, rel=0.05)


def test_a_random_similarity_has_the_condition_asked_for() -> None:
    assert np.linalg.cond(subjects.random_similarity(18, RNG(0), 5.0)) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("subject", "dimension"),
    [
        (subjects.shear(RNG(0)), 2),
        (subjects.founding(4, RNG(0)), 1),
        (subjects.affine_blocks(2, RNG(0)), 2),
        (subjects.affine_blocks(4, RNG(0)), 4),
        (subjects.fixed_point(4, RNG(0)), 1 + 4**2),
        # Six of the endomorphisms of the summands, and the map of affine(2) onto its trivial quotient.
        (subjects.mixed(RNG(0)), 7),
    ],
    ids=lambda value: value.description if isinstance(value, Subject) else "",
)
def test_the_affine_subjects_have_the_commutant_known_by_theory(subject: Subject, dimension: int) -> None:
    assert commutant_dim(subject.under_similarity(RNG(1))) == dimension


def test_two_generators_of_affine_blocks_do_not_tell_the_blocks_apart() -> None:
    subject = subjects.affine_blocks(3, RNG(0), count=2)
    assert commutant_dim(subject) == 3**2
