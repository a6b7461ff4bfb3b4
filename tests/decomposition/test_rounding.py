"""A change of the matrices in their last digits changes the answer in its last digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.decomposition import Decomposition, decompose
from symdiff.decomposition.gauge import upright
from symdiff.decomposition.general import spectral_projector
from tests.decomposition import subjects
from tests.decomposition.subjects import Subject, affine, found_in, random_direct_sum, random_orthogonal, stacked

RNG = np.random.default_rng
SEEDS = st.integers(0, 2**31)
AMPLIFIED = 1e4
"""A basis is known as many times less well than the matrices as its gaps are small."""


def affine_blocks(rng: np.random.Generator, blocks: int = 6, count: int = 20) -> Subject:
    """Blocks ``[[a, v_i], [0, 1]]`` side by side: what `symdiff analyze --group affine` trains by default."""
    a = rng.uniform(0.6, 0.98, count)
    matrices = stacked([affine(a, rng.standard_normal((count, 1))) for _ in range(blocks)])
    return found_in(matrices, [(2, 1, "R")] * blocks, f"{blocks} affine blocks", [(1, 2)] * blocks)


def nudged(subject: Subject, size: float, seed: int, *, orthogonal: bool) -> Subject:
    """The same matrices in a basis that differs by `size` from the one they are given in."""
    step = RNG([7, seed]).standard_normal((subject.size, subject.size)) / np.sqrt(subject.size)
    if orthogonal:
        half = size * (step - step.T) / 2
        eye = np.eye(subject.size)
        return subject.under(np.linalg.solve(eye - half, eye + half))
    return subject.under(np.eye(subject.size) + size * step)


def projectors(found: Decomposition) -> list[np.ndarray]:
    """The projector on each copy of each block, in the order of the answer."""
    basis = np.asarray(found.basis)
    rows = np.linalg.inv(basis)
    return [basis[:, i:j] @ rows[i:j] for block in found.blocks for i, j in block.columns]


def assert_near(found: Decomposition, other: Decomposition, tolerance: float) -> None:
    """Every number of two answers, and their bases; residuals as sizes, in units of the matrices."""
    assert other.verdict == found.verdict
    assert other.structure == found.structure
    assert other.commutant_dim == found.commutant_dim
    assert other.stability == found.stability
    for mine, theirs in zip(projectors(found), projectors(other), strict=True):
        np.testing.assert_allclose(theirs, mine, atol=tolerance)
    np.testing.assert_allclose(other.basis, found.basis, atol=tolerance)
    for block, again in zip(found.blocks, other.blocks, strict=True):
        assert (again.dim, again.multiplicity, again.type, again.flag) == (
            block.dim, block.multiplicity, block.type, block.flag,
        )  # fmt: skip
        assert again.obstruction == pytest.approx(block.obstruction, abs=tolerance + 2e-6)
    assert other.off_block == pytest.approx(found.off_block, rel=tolerance, abs=1e-12)
    accepted = [(one.largest_accepted_cut or 0) ** 0.5 * (one.noise or 0) for one in (found, other)]
    assert accepted[1] == pytest.approx(accepted[0], rel=tolerance, abs=1e-12)
    rejected = found.smallest_rejected_cut, other.smallest_rejected_cut
    assert rejected == (None, None) or rejected[1] == pytest.approx(rejected[0], rel=max(tolerance, 1e-6))


@pytest.mark.parametrize("size", [1e-15, pytest.param(1e-11, marks=pytest.mark.long), 1e-9])
@pytest.mark.parametrize(
    ("subject", "noise"),
    [
        (affine_blocks(RNG(0)), 1e-7),
        (affine_blocks(RNG(1)).under_similarity(RNG(2)), 0.0),
        (subjects.founding(4, RNG(0)), 0.0),
        (subjects.mixed(RNG(0)), 0.0),
        (subjects.mixed(RNG(0)).under_similarity(RNG(1)), 1e-7),
        (subjects.shear(RNG(0)).in_random_orthogonal_basis(RNG(1)), 0.0),
        (subjects.s4_comparison(RNG(0)).under_similarity(RNG(1)), 0.0),
    ],
    ids=lambda value: value.description if isinstance(value, Subject) else f"{value:g}",
)
def test_matrices_that_no_basis_makes_orthogonal_are_decomposed_alike(
    subject: Subject, noise: float, size: float
) -> None:
    found = decompose(subject.matrices, noise, resamples=4)
    other = decompose(nudged(subject, size, 0, orthogonal=False).matrices, noise, resamples=4)
    assert subject.judge(found) == "right"
    assert_near(found, other, AMPLIFIED * max(size, 1e-13))


@pytest.mark.parametrize("sigma", [0.0, 1e-3])
@pytest.mark.parametrize("seed", range(12))
def test_direct_sums_are_decomposed_alike_copies_and_basis_included(seed: int, sigma: float) -> None:
    subject = random_direct_sum(seed, largest=24, sigma=sigma)
    found = decompose(subject.matrices, sigma, resamples=0)
    other = decompose(nudged(subject, 1e-11, seed, orthogonal=True).matrices, sigma, resamples=0)
    assert_near(found, other, AMPLIFIED * 1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_blocks_that_are_given_side_by_side_stay_in_their_order_at_every_seed(seed: int) -> None:
    subject = affine_blocks(RNG(0))
    for i, projector in enumerate(projectors(decompose(subject.matrices, 1e-7, seed=seed, resamples=0))):
        expected = np.zeros(subject.size)
        expected[2 * i : 2 * i + 2] = 1
        np.testing.assert_allclose(projector, np.diag(expected), atol=1e-9)


def test_the_isotypic_parts_of_a_regular_representation_have_an_order_though_each_is_spread_evenly() -> None:
    cycle = np.roll(np.eye(8), 1, axis=0)
    matrices = np.stack([np.linalg.matrix_power(cycle, k) for k in range(8)])
    found = projectors(decompose(matrices, 0.0, resamples=0))
    for seed in (1, 2):
        for mine, theirs in zip(found, projectors(decompose(matrices, 0.0, seed=seed, resamples=0)), strict=True):
            np.testing.assert_allclose(theirs, mine, atol=1e-9)


def test_what_a_cut_of_exact_matrices_leaves_is_rounding_whatever_noise_is_told() -> None:
    for subject in (affine_blocks(RNG(0)), subjects.mixed(RNG(0)), subjects.s4_comparison(RNG(0))):
        found = decompose(subject.under_similarity(RNG(3)).matrices, 1e-6, resamples=0)
        assert found.off_block < 1e-11
        assert found.largest_accepted_cut is not None
        assert found.largest_accepted_cut < 1e-8


@pytest.mark.parametrize("seed", range(8))
def test_translations_of_a_line_do_not_split_in_any_orthogonal_basis(seed: int) -> None:
    found = decompose(subjects.shear(RNG(0)).in_random_orthogonal_basis(RNG(seed)).matrices, 0.0, resamples=0)
    assert found.verdict == "reducible-indecomposable"
    assert found.obstruction == pytest.approx(1, abs=1e-6)


def test_what_comes_back_as_a_spectral_projector_of_imaginary_eigenvalues_is_a_projector() -> None:
    rng = RNG(0)
    for _ in range(100):
        size, (a, b) = rng.uniform(0, 2), 1e-9 * rng.standard_normal(2)
        projector = spectral_projector(torch.tensor([[a, -size], [size + b, -a]], dtype=torch.float64), 0.0)
        if projector is not None:
            torch.testing.assert_close(projector @ projector, projector, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", [12, 19, 20, 24, 29])
def test_rotation_planes_are_not_cut_where_rounding_parts_conjugate_eigenvalues(seed: int) -> None:
    subject = nudged(subjects.mixed(RNG(0)), 1e-9, seed, orthogonal=False)
    assert subject.judge(decompose(subject.matrices, 0.0, resamples=0)) == "right"


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_basis_chosen_for_a_subspace_does_not_depend_on_the_one_it_is_given_in(seed: int) -> None:
    rng = RNG(seed)
    m = int(rng.integers(2, 12))
    d = int(rng.integers(1, m + 1))
    span = torch.from_numpy(random_orthogonal(m, rng)[:, :d])
    other = span @ torch.from_numpy(random_orthogonal(d, rng))
    torch.testing.assert_close(other @ upright(other), span @ upright(span), atol=1e-7, rtol=0)
