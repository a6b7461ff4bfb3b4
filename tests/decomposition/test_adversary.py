"""Inputs chosen to mislead: right or unresolved, never a wrong structure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from symdiff.decomposition import decompose
from tests.decomposition.groups import SO3, Cyclic, Dihedral, Quaternion, Symmetric, rotation
from tests.decomposition.subjects import Array, Subject, direct_sum, found_in, random_orthogonal, s4_comparison, stacked

RNG = np.random.default_rng
SEEDS = range(4)


def comparison(seed: int, count: int = 8) -> Subject:
    rng = RNG([17, seed])
    return s4_comparison(rng, count).in_random_orthogonal_basis(rng)


@pytest.mark.parametrize("told", [0.5, 2.0])
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 0.5])
@pytest.mark.parametrize("condition", [1.0, 5.0])
def test_noise_told_wrong_by_a_factor_of_two_misleads_nobody(told: float, sigma: float, condition: float) -> None:
    for seed in SEEDS[:1]:
        rng = RNG([18, seed])
        subject = s4_comparison(rng).under_similarity(rng, condition).with_noise(sigma, rng)
        assert subject.judge(decompose(subject.matrices, told * sigma, resamples=0)) != "wrong"


def test_one_error_in_all_the_matrices_is_not_taken_for_structure() -> None:
    for seed in SEEDS:
        subject = comparison(seed)
        error = 0.01 * RNG(seed).standard_normal((18, 18)) / 18**0.5
        assert subject.judge(decompose(subject.matrices + error, resamples=0)) != "wrong"


@pytest.mark.parametrize("sigma", [1e-3, 1e-2])
def test_noise_that_keeps_the_matrices_orthogonal(sigma: float) -> None:
    for seed in SEEDS:
        subject = comparison(seed)
        skew = RNG(seed).standard_normal(subject.matrices.shape)
        skew = sigma / 6 * (skew - skew.transpose(0, 2, 1))  # entries of standard deviation sigma / sqrt(m)
        matrices = np.stack([a @ expm(w) for a, w in zip(subject.matrices, skew, strict=True)])
        assert subject.judge(decompose(matrices, sigma, resamples=0)) == "right"
        assert subject.judge(decompose(matrices, resamples=0)) == "unresolved"


@pytest.mark.parametrize("noise", [0.01, None])
def test_matrices_given_many_times_over_are_no_further_evidence(noise: float | None) -> None:
    subject = comparison(0, 4).with_noise(0.01, RNG(1))
    found = decompose(np.repeat(subject.matrices, 25, axis=0), noise, resamples=0)
    assert subject.judge(found) == "right"


def test_a_matrix_that_does_not_belong_makes_all_of_them_irreducible() -> None:
    rng = RNG(2)
    subject = comparison(2).with_noise(1e-3, rng)
    subject.matrices[0] = random_orthogonal(18, rng)
    assert decompose(subject.matrices, 1e-3, resamples=0).structure == ((18, 1, "R"),)


@pytest.mark.parametrize("change", ["seed", "order", "scale", "transposed"])
def test_the_answer_does_not_depend_on(change: str) -> None:
    for seed in SEEDS:
        a = comparison(seed).with_noise(0.01, RNG(seed)).matrices
        other = {"seed": a, "order": a[::-1].copy(), "scale": 1e-20 * a, "transposed": a.transpose(0, 2, 1).copy()}
        noise = 1e-22 if change == "scale" else 0.01
        found = decompose(other[change], noise, seed=int(change == "seed"), resamples=0)
        assert found.structure == decompose(a, 0.01, resamples=0).structure == comparison(seed).expected


def crowds() -> list[Subject]:
    rng = RNG(3)
    return [
        direct_sum([(Symmetric(3).irrep("3"), 30), (Symmetric(3).irrep("1,1,1"), 10)], Symmetric(3).sample(8, rng)),
        direct_sum([(Cyclic(7).irrep("rotation 1"), 20)], Cyclic(7).sample(8, rng)),
        direct_sum([(Quaternion().irrep("quaternions"), 6)], Quaternion().sample(8, rng)),
        direct_sum([(SO3().spin(10), 1), (SO3().spin(12), 1)], SO3().sample(3, rng)),
        found_in(Dihedral(12).regular(Dihedral(12).sample(8, rng)), [(1, 1, "R")] * 4 + [(2, 2, "R")] * 5, "D12"),
    ]


@pytest.mark.parametrize("sigma", [0.0, 1e-2])
@pytest.mark.parametrize("subject", crowds(), ids=lambda s: s.description)
def test_many_copies_and_high_spins(subject: Subject, sigma: float) -> None:
    rng = RNG(4)
    subject = subject.in_random_orthogonal_basis(rng).with_noise(sigma, rng)
    assert subject.judge(decompose(subject.matrices, sigma, resamples=0)) == "right"


def turning(weights: tuple[float, ...], angles: Array) -> Array:
    return stacked([np.stack([rotation(w * t) for t in angles]) for w in weights])


@pytest.mark.parametrize("condition", [1.0, 5.0])
@pytest.mark.parametrize("difference", [1e-1, 1e-3, 1e-5])
def test_weights_that_are_close_differ_where_the_noise_is_small(difference: float, condition: float) -> None:
    rng = RNG(5)
    matrices = turning((1.0, 1.0 + difference), rng.uniform(0, 2 * np.pi, 8))
    subject = found_in(matrices, [(2, 1, "C")] * 2, "close weights").under_similarity(rng, condition)
    noisy = subject.with_noise(1e-3 * difference, rng)
    assert subject.judge(decompose(subject.matrices, 0.0, resamples=0)) == "right"
    assert subject.judge(decompose(noisy.matrices, noisy.sigma, resamples=0)) == "right"


def motions(spread: float, seed: int) -> np.ndarray:
    """Eight motions of the plane as 3 x 3 matrices, turns by any angle and translations of size `spread`."""
    rng = RNG(seed)
    angles, moves = rng.uniform(0, 2 * np.pi, 8), spread * rng.standard_normal((8, 2))
    matrices = np.zeros((8, 3, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angles)
    matrices[:, 1, 0], matrices[:, 0, 1] = np.sin(angles), -np.sin(angles)
    matrices[:, :2, 2], matrices[:, 2, 2] = moves, 1
    return matrices


@pytest.mark.parametrize("spread", [0.1, 0.03, 0.003])
def test_small_translations_are_not_taken_for_noise(spread: float) -> None:
    for seed in range(4):
        exact = motions(spread, seed)
        assert decompose(exact, resamples=0).flag == (2, 3)
        noisy = exact + 1e-6 * RNG(seed + 50).standard_normal(exact.shape)
        assert decompose(noisy, resamples=0).verdict in ("unresolved", "reducible-indecomposable")


@pytest.mark.parametrize("n", [2, 5])
def test_exact_affine_maps_near_the_identity_need_no_noise_level(n: int) -> None:
    rng = RNG(n)
    matrices = np.repeat(np.eye(n + 1)[None], n + 6, 0)
    matrices[:, range(n), range(n)] = rng.uniform(0.95, 1, (n + 6, 1))
    matrices[:, :n, n] = rng.standard_normal((n + 6, n))
    found = decompose(matrices, resamples=0)
    assert (found.verdict, found.flag, found.noise_source) == ("reducible-indecomposable", (n, n + 1), "rounding")


def test_a_coupling_a_few_times_the_noise_is_not_leaned_away() -> None:
    for seed in range(6):
        rng = RNG(seed)
        a = rng.uniform(0.5, 0.9, 12)
        matrices = np.zeros((12, 3, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = a
        matrices[:, :2, 2] = (a - 1)[:, None] * np.array([3.0, 1.0]) + 1e-2 * rng.standard_normal((12, 2))
        matrices[:, 2, 2] = 1
        noisy = matrices + 1e-3 * rng.standard_normal(matrices.shape) / 3**0.5
        assert decompose(noisy, 1e-3, resamples=0).verdict != "decomposable"


def test_a_noise_level_told_far_too_small_is_a_caution() -> None:
    rng = RNG(1)
    matrices = s4_comparison(RNG(0)).matrices
    found = decompose(matrices + 1e-3 * rng.standard_normal(matrices.shape) / 18**0.5, 0.0, resamples=0)
    assert any("times the noise given" in caution for caution in found.cautions)


def test_noise_that_cannot_be_told_is_no_number() -> None:
    rng = RNG(0)
    found = decompose(np.eye(4) + rng.standard_normal((5, 4, 4)), resamples=0)
    assert (found.verdict, found.noise, found.noise_source) == ("unresolved", None, "not known")
    assert found.smallest_rejected_cut is None
    assert "not known" in repr(found)


def test_an_error_common_to_all_matrices_does_not_part_equivalent_blocks() -> None:
    rng = RNG([17, 2])
    subject = s4_comparison(rng, 8).in_random_orthogonal_basis(rng)
    biased = subject.matrices + 0.01 * RNG(2).standard_normal((18, 18)) / 18**0.5
    assert subject.judge(decompose(biased, 0.01, resamples=0)) != "wrong"
