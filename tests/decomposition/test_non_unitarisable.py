"""Matrices without an invariant form: extensions that do not split, and one that does."""

from __future__ import annotations

import numpy as np
import pytest

from symdiff.decomposition import Decomposition, decompose
from tests.decomposition import subjects
from tests.decomposition.extensions import extensions, random_extension
from tests.decomposition.groups import Symmetric
from tests.decomposition.subjects import Subject

RNG = np.random.default_rng
SEEDS = [pytest.param(seed, marks=[pytest.mark.long] if seed > 2 else []) for seed in range(20)]


def invariance(found: Decomposition, matrices: np.ndarray, columns: slice) -> float:
    """How far the span of some columns of the basis is from being mapped into itself, relative to the matrices."""
    inside, _ = np.linalg.qr(np.asarray(found.basis)[:, columns])
    images = matrices @ inside
    outside = images - inside @ (inside.T @ images)
    return float(np.linalg.norm(outside) / np.linalg.norm(images))


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 1e-4, 1e-3])
@pytest.mark.parametrize("seed", SEEDS)
def test_rotations_an_affine_part_and_a_trivial_one_are_told_apart(seed: int, sigma: float) -> None:
    rng = RNG(seed)
    subject = subjects.mixed(rng).under_similarity(rng).with_noise(sigma, rng)
    found = decompose(subject.matrices, sigma, resamples=0)
    assert found.structure == subject.expected, found
    assert found.verdict == "decomposable"
    assert [block.verdict for block in found.blocks] == ["irreducible"] * 3 + ["reducible-indecomposable"]
    assert found.flag == (2, 3)


@pytest.mark.parametrize(
    ("n", "similar"),
    [(4, False), (4, True), (16, False), (16, True), pytest.param(64, False, marks=pytest.mark.long), (64, True)],
)
def test_affine_maps_of_a_state_are_reducible_and_indecomposable(n: int, similar: bool) -> None:
    subject = subjects.founding(n, RNG(n))
    subject = subject.under_similarity(RNG(1)) if similar else subject
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    assert found.verdict == "reducible-indecomposable"
    assert found.flag == (n, n + 1)
    assert found.commutant_dim == 1
    assert found.obstruction is not None
    assert found.obstruction > 0.05
    assert invariance(found, subject.matrices, slice(0, n)) < 1e-6
    assert "too few" not in " ".join(found.cautions)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("similar", [False, True], ids=["as they are", "similar"])
def test_independent_affine_blocks_are_each_indecomposable(k: int, similar: bool) -> None:
    subject = subjects.affine_blocks(k, RNG(k))
    subject = subject.under_similarity(RNG(1)) if similar else subject
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    assert len(found.blocks) == found.commutant_dim == k
    for block in found.blocks:
        assert block.verdict == "reducible-indecomposable"
        assert block.obstruction is not None
        assert block.obstruction > 0.05
        [(start, _)] = block.columns
        assert invariance(found, subject.matrices, slice(start, start + 1)) < 1e-6


def test_two_generators_of_affine_blocks_find_them_equivalent() -> None:
    subject = subjects.affine_blocks(3, RNG(0), count=2)
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert found.cautions
    assert found.verdict == "unresolved" or found.structure == ((2, 3, "R"),)


@pytest.mark.parametrize("n", [1, 4, 16])
def test_a_common_fixed_point_splits_the_extension(n: int) -> None:
    subject = subjects.fixed_point(n, RNG(n))
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    assert found.flag is None
    assert found.obstruction is None
    assert found.commutant_dim == 1 + n**2


def test_translations_of_a_line_have_a_nilpotent_endomorphism_and_no_complement() -> None:
    subject = subjects.shear(RNG(0)).under_similarity(RNG(1))
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    assert found.commutant_dim == 2
    assert found.flag == (1, 2)


@pytest.mark.parametrize("sigma", [1e-6, 1e-3, 1e-2])
@pytest.mark.parametrize(
    "clean",
    [subjects.founding(4, RNG(0)), subjects.affine_blocks(3, RNG(0)), subjects.shear(RNG(0)), subjects.mixed(RNG(0))],
    ids=lambda subject: subject.description,
)
def test_noise_never_makes_an_extension_split(clean: Subject, sigma: float) -> None:
    for seed in range(3):
        subject = clean.under_similarity(RNG(seed)).with_noise(sigma, RNG(seed))
        found = decompose(subject.matrices, sigma, resamples=0)
        assert subject.judge(found) != "wrong", found


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 1e-3])
def test_a_small_extension_is_told_from_a_split_one_only_above_the_noise(sigma: float) -> None:
    rng = RNG(0)
    split, whole = subjects.fixed_point(3, rng), subjects.founding(3, rng)
    weak = whole.matrices.copy()
    weak[:, :3, 3] *= sigma / 100  # a hundredth of the noise, or none at all
    found = decompose(weak + sigma * rng.standard_normal(weak.shape) / 2, sigma, resamples=0)
    assert found.verdict in ("decomposable", "unresolved")
    assert found.flag is None
    strong = split.matrices.copy()
    strong[:, :3, 3] += max(1000 * sigma, 1e-3) * rng.standard_normal((len(strong), 3))
    noisy = decompose(strong + sigma * rng.standard_normal(strong.shape) / 2, sigma, resamples=0)
    assert noisy.verdict in ("reducible-indecomposable", "unresolved")


def test_equivalent_extensions_are_copies_of_one_block() -> None:
    rng = RNG(0)
    one = subjects.founding(2, rng)
    subject = subjects.found_in(subjects.stacked([one.matrices] * 2), [(3, 2, "R")], "2 x affine(2)", [(2, 3)] * 2)
    found = decompose(subject.under_similarity(rng).matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    assert [len(block.columns) for block in found.blocks] == [2]
    assert found.commutant_dim == 4


@pytest.mark.parametrize("seed", range(6))
def test_of_the_complements_that_are_invariant_the_one_that_leans_least_is_taken(seed: int) -> None:
    # The affine block maps onto the trivial one: it may lean along that as far as it likes.
    rng = RNG(seed)
    subject = subjects.mixed(rng).in_random_orthogonal_basis(rng)
    found = decompose(subject.matrices, 1e-6, resamples=0)
    assert subject.judge(found) == "right", found
    assert float(np.linalg.cond(found.basis)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_complements_do_not_hang_on_what_is_drawn(seed: int) -> None:
    rng = RNG(seed)
    matrices = subjects.mixed(rng).under_similarity(rng).matrices
    answers = [decompose(matrices, 0.0, resamples=0, seed=drawn) for drawn in (0, 1)]
    for block, other in zip(*(found.blocks for found in answers), strict=True):
        projectors = []
        for found, columns in zip(answers, (block.columns, other.columns), strict=True):
            basis = np.asarray(found.basis)
            [(i, j)] = columns
            projectors.append(basis[:, i:j] @ np.linalg.inv(basis)[i:j])
        np.testing.assert_allclose(*projectors, atol=1e-6)


@pytest.mark.parametrize("subject", extensions(RNG(0)), ids=lambda subject: subject.description)
@pytest.mark.parametrize("similar", [False, True], ids=["as it is", "similar"])
def test_extensions_of_other_irreducibles_have_their_type_and_flag(subject: Subject, similar: bool) -> None:
    subject = subject.under_similarity(RNG(1)) if similar else subject
    found = decompose(subject.matrices, 0.0, resamples=0)
    assert subject.judge(found) == "right", found
    for stop in subject.flags[0]:
        assert invariance(found, subject.matrices, slice(0, stop)) < 1e-6


def test_a_coboundary_is_no_extension() -> None:
    rng = RNG(0)
    standard = Symmetric(4).irrep("3,1")(Symmetric(4).sample(8, rng))
    split = subjects.stacked([standard, np.ones((8, 1, 1))])
    split[:, :3, 3] = (standard - np.eye(3)) @ rng.standard_normal(3)
    found = decompose(split, 0.0, resamples=0)
    assert found.structure == ((1, 1, "R"), (3, 1, "R"))
    assert found.flag is None


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(400), marks=pytest.mark.long)], ids=["3", "400"])
def test_random_sums_with_extensions_are_right_without_noise_and_never_wrong_with_it(seeds: range) -> None:
    others = []
    for seed in seeds:
        for subject in (random_extension(seed), random_extension(seed, sigma=0.0)):
            found = decompose(subject.matrices, subject.sigma, resamples=0)
            judged = subject.judge(found)
            if judged == "wrong" or (judged == "unresolved" and subject.sigma == 0):
                others.append(f"{judged}: {subject.description}; {found.verdict} {found.structure}: {found.reason}")
    assert not others, "\n".join(others)
