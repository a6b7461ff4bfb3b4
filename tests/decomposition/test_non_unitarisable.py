"""Matrices without an invariant form: extensions that do not split, and one that does."""

from __future__ import annotations

import numpy as np
import pytest

from symdiff.decomposition import Decomposition, decompose
from tests.decomposition import subjects
from tests.decomposition.groups import SU2, Symmetric, Torus
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


@pytest.mark.parametrize("n", [4, 16, 64])
@pytest.mark.parametrize("similar", [False, True], ids=["as it is", "similar"])
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


def shears(matrices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``[[A, tA], [0, A]]``: an irreducible representation extended by itself."""
    t = subjects.shear(rng, len(matrices)).matrices
    return np.einsum("kij,kpq->kipjq", t, matrices).reshape(len(t), *(2 * matrices.shape[1],) * 2)


def bordered(top: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``[[A, v], [0, 1]]`` for independent v."""
    matrices = subjects.stacked([top, np.ones((len(top), 1, 1))])
    matrices[:, :-1, -1] = rng.standard_normal(top.shape[:2])
    return matrices


def triangular(diagonals: np.ndarray, rng: np.random.Generator, nonzero: list[tuple[int, int]]) -> np.ndarray:
    """Upper triangular matrices with the given diagonals ``[K, m]`` and independent entries where said."""
    matrices = diagonals[:, :, None] * np.eye(diagonals.shape[1])
    for i, j in nonzero:
        matrices[:, i, j] = rng.standard_normal(len(matrices))
    return matrices


def extensions() -> list[Subject]:
    rng, group, count = RNG(0), Symmetric(4), 8
    standard = group.irrep("3,1")(group.sample(count, rng))
    turns = Torus(1).weight(1)(Torus(1).sample(count, rng))
    quaternions = SU2().spin(0.5)(SU2().sample(count, rng))
    ones, a, b = np.ones(count), subjects.scales(count, rng), -subjects.scales(count, rng)
    return [
        subjects.found_in(bordered(turns, rng), [(3, 1, "R")], "SE(2)", [(2, 3)]),
        subjects.found_in(bordered(standard, rng), [(4, 1, "R")], "S4 and translations", [(3, 4)]),
        subjects.found_in(bordered(quaternions, rng), [(5, 1, "R")], "SU(2) and translations", [(4, 5)]),
        subjects.found_in(shears(turns, rng), [(4, 1, "C")], "a self-extension of type C", [(2, 4)]),
        subjects.found_in(shears(quaternions, rng), [(8, 1, "H")], "a self-extension of type H", [(4, 8)]),
        subjects.found_in(
            triangular(np.ones((count, 3)), rng, [(0, 1), (1, 2), (0, 2)]), [(3, 1, "R")], "Heisenberg", [(1, 2, 3)]
        ),
        subjects.found_in(
            triangular(np.stack([a, b, ones], 1), rng, [(0, 2), (1, 2)]), [(3, 1, "R")], "two socles", [(2, 3)]
        ),
        subjects.found_in(
            triangular(np.stack([ones, a, b], 1), rng, [(0, 1), (0, 2)]), [(3, 1, "R")], "one socle", [(1, 3)]
        ),
    ]


@pytest.mark.parametrize("subject", extensions(), ids=lambda subject: subject.description)
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
