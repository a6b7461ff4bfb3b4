"""Indecomposable sets whose irreducibility, radical filtration and obstruction are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement, pairwise, permutations

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from symdiff.decomposition.extension import Extension, complement_residual, extension

Array = np.ndarray
Draw = Callable[[np.random.Generator], Array]

NOISE = (0.0, 1e-8, 1e-6, 1e-4, 1e-3)
LOUD = (1e-2, 1e-1, 0.5)
# The normal run takes every other one of them, and the last.
EVERY_OTHER = [
    pytest.param(sigma, marks=[pytest.mark.long] if n % 2 and sigma < LOUD[-1] else [])
    for n, sigma in enumerate([*NOISE, *LOUD])
]


def triangular(b: Array, c: Array, d: Array) -> Array:
    return np.block([[b, c], [np.zeros((len(d), len(b))), d]])


def affine(a: float, v: Array) -> Array:
    return triangular(a * np.eye(len(v)), v[:, None], np.eye(1))


def scale(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.3, 1.7) * rng.choice([-1, 1]))


def rotation(rng: np.random.Generator, n: int) -> Array:
    q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    q[:, 0] *= np.sign(np.linalg.det(q))
    return q


def symmetric_power(a: Array, k: int) -> Array:
    indices = list(combinations_with_replacement(range(len(a)), k))
    basis = np.zeros((len(a) ** k, len(indices)))
    for column, index in enumerate(indices):
        for order in set(permutations(index)):
            basis[np.ravel_multi_index(order, (len(a),) * k), column] = 1
    basis /= np.linalg.norm(basis, axis=0)
    power = a
    for _ in range(k - 1):
        power = np.kron(power, a)
    return basis.T @ power @ basis


def founding(n: int) -> Draw:
    return lambda rng: np.array([affine(scale(rng), rng.standard_normal(n)) for _ in range(n + 6)])


def near_identity(rng: np.random.Generator) -> Array:
    return np.array([affine(rng.uniform(0.99, 1), 0.01 * rng.standard_normal(4)) for _ in range(12)])


def shear(rng: np.random.Generator) -> Array:
    return np.array([[[1, t], [0, 1]] for t in rng.standard_normal(8)])


def heisenberg(rng: np.random.Generator) -> Array:
    return np.array([[[1, a, c], [0, 1, b], [0, 0, 1]] for a, b, c in rng.standard_normal((10, 3))])


def motions(n: int) -> Draw:
    return lambda rng: np.array(
        [triangular(rotation(rng, n), rng.standard_normal((n, 1)), np.eye(1)) for _ in range(8)]
    )


def self_extension(same: bool) -> Draw:
    def draw(rng: np.random.Generator) -> Array:
        turns = [rotation(rng, 3) for _ in range(14)]
        mixed = [rng.standard_normal() * np.eye(3) if same else rng.standard_normal((3, 3)) for _ in turns]
        return np.array([triangular(a, a @ x, a) for a, x in zip(turns, mixed, strict=True)])

    return draw


def affine_power(n: int, k: int) -> Draw:
    return lambda rng: np.array(
        [symmetric_power(affine(rng.uniform(0.4, 1.6), rng.standard_normal(n)), k) for _ in range(12)]
    )


def two_tops(rng: np.random.Generator) -> Array:
    """Characters x -> y -> z and w -> z: by its radical y is below w, by its socle beside it."""
    matrices = np.array([np.diag(d) for d in rng.uniform(0.5, 1.5, (12, 4))])
    for i, j in ((0, 1), (0, 2), (1, 3), (0, 3)):
        matrices[:, i, j] = rng.standard_normal(12)
    return matrices


def quaternions(rng: np.random.Generator) -> Array:
    i = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]])
    j = np.array([[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]])
    return np.array([i, j, i @ j, -i, -j]).astype(float)


def permutations_of(n: int) -> Draw:
    def draw(rng: np.random.Generator) -> Array:
        basis = np.linalg.qr(np.c_[np.ones(n), np.eye(n)[:, 1:]])[0][:, 1:]
        return np.array([basis.T @ np.eye(n)[rng.permutation(n)] @ basis for _ in range(8)])

    return draw


def general_linear(n: int, count: int = 6) -> Draw:
    return lambda rng: rng.standard_normal((count, n, n)) / n**0.5


def special_linear(k: int) -> Draw:
    def draw(rng: np.random.Generator) -> Array:
        x = 0.7 * rng.standard_normal((8, 2, 2))
        x -= np.eye(2) * np.trace(x, axis1=1, axis2=2)[:, None, None] / 2
        return np.array([symmetric_power(expm(one), k) for one in x])

    return draw


REDUCIBLE: dict[str, tuple[Draw, tuple[int, ...]]] = {
    "shear": (shear, (1, 2)),
    **{f"affine {n}": (founding(n), (n, n + 1)) for n in (1, 2, 3, 5, 12)},
    "Heisenberg": (heisenberg, (1, 2, 3)),
    "motions of the plane": (motions(2), (2, 3)),
    "motions of space": (motions(3), (3, 4)),
    "SO(3) by itself, [[A, cA], [0, A]]": (self_extension(True), (3, 6)),
    "SO(3) by itself, [[A, AX], [0, A]]": (self_extension(False), (3, 6)),
    "square of affine 1": (affine_power(1, 2), (1, 2, 3)),
    "square of affine 2": (affine_power(2, 2), (3, 5, 6)),
    "cube of affine 1": (affine_power(1, 3), (1, 2, 3, 4)),
    "two tops": (two_tops, (1, 2, 4)),
}
IRREDUCIBLE: dict[str, Draw] = {
    "S5": permutations_of(5),
    "S8": permutations_of(8),
    "SO(3)": lambda rng: np.array([rotation(rng, 3) for _ in range(6)]),
    "SO(2)": lambda rng: np.array([rotation(rng, 2) for _ in range(6)]),
    "Q8": quaternions,
    "GL(3)": general_linear(3),
    "GL(8)": general_linear(8),
    "GL(3) near 1": lambda rng: np.eye(3) + 0.3 * rng.standard_normal((8, 3, 3)),
    "SL(2) on squares": special_linear(2),
    "SL(2) on quartics": special_linear(4),
    "SL(2) on sextics": special_linear(6),
}


def answer(clean: Array, sigma: float, rng: np.random.Generator, *, oblique: bool = False) -> tuple[Extension, Array]:
    """What is said of `clean` in a random basis with noise sigma / sqrt(d) an entry, or seen from a basis of cond 5."""
    d = clean.shape[-1]
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    noise = sigma * rng.standard_normal(clean.shape) / d**0.5
    rows = columns = np.full(d, d**-0.5)
    matrices = turn @ clean @ turn.T + noise
    if oblique:
        left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
        basis = left * np.geomspace(1, 5, d) @ right
        inverse = np.linalg.inv(basis)
        matrices = turn @ clean @ turn.T + inverse @ noise @ basis
        rows, columns = (inverse**2).sum(1) * d**-0.5, (basis**2).sum(0) * d**-0.5
    level = max(sigma, 1e-13 * float(np.linalg.norm(clean)) / len(clean) ** 0.5)
    given = (torch.from_numpy(x) for x in (matrices, rows, columns))
    return extension(*given, level, torch.Generator().manual_seed(0)), matrices


@pytest.mark.parametrize("sigma", NOISE)
@pytest.mark.parametrize("name", REDUCIBLE)
def test_a_radical_filtration_is_found(name: str, sigma: float) -> None:
    draw, flag = REDUCIBLE[name]
    answers = [answer(draw(rng), sigma, rng)[0] for rng in map(np.random.default_rng, range(3))]
    assert {found.flag for found in answers if found.verdict != "unresolved"} == {flag}
    assert {found.verdict for found in answers} <= {"reducible-indecomposable", "unresolved"}


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("sigma", NOISE)
@pytest.mark.parametrize("name", IRREDUCIBLE)
def test_what_has_no_invariant_subspace_is_irreducible(name: str, sigma: float, oblique: bool) -> None:
    rng = np.random.default_rng(1)
    found, _ = answer(IRREDUCIBLE[name](rng), sigma, rng, oblique=oblique)
    assert found.verdict == "irreducible"
    assert found.flag is None
    assert found.obstruction is None
    assert torch.equal(found.basis, torch.eye(len(found.basis), dtype=torch.float64))


@pytest.mark.parametrize("oblique", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("sigma", EVERY_OTHER)
def test_noise_makes_an_answer_unresolved_and_never_wrong(sigma: float, oblique: bool) -> None:
    for number, (draw, flag) in enumerate(REDUCIBLE.values()):
        rng = np.random.default_rng([2, number])
        found, _ = answer(draw(rng), sigma, rng, oblique=oblique)
        assert (found.verdict, found.flag) in {("reducible-indecomposable", flag), ("unresolved", None)}
    for number, irreducible in enumerate(IRREDUCIBLE.values()):
        rng = np.random.default_rng([3, number])
        assert answer(irreducible(rng), sigma, rng, oblique=oblique)[0].verdict in {"irreducible", "unresolved"}


def test_noise_as_large_as_the_matrices_is_unresolved() -> None:
    rng = np.random.default_rng(0)
    for draw in (founding(3), heisenberg, permutations_of(5)):
        assert answer(draw(rng), 3.0, rng)[0].verdict == "unresolved"


@pytest.mark.parametrize("name", REDUCIBLE)
def test_the_basis_shows_the_flag(name: str) -> None:
    draw, flag = REDUCIBLE[name]
    rng = np.random.default_rng(4)
    found, matrices = answer(draw(rng), 0.0, rng)
    basis = found.basis.numpy()
    turned = basis.T @ matrices @ basis
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-12)
    for p in flag[:-1]:
        np.testing.assert_allclose(turned[:, p:, :p], 0, atol=1e-11)


def test_close_to_the_identity_only_what_differs_from_it_counts() -> None:
    for sigma in (0.0, 1e-6, 1e-5):
        rng = np.random.default_rng(5)
        assert answer(near_identity(rng), sigma, rng)[0].flag == (4, 5)
    rng = np.random.default_rng(5)
    assert answer(near_identity(rng), 1e-2, rng)[0].verdict == "unresolved"


def test_an_affine_block_of_dimension_65() -> None:
    rng = np.random.default_rng(6)
    assert answer(founding(64)(rng), 1e-3, rng)[0].flag == (64, 65)


@pytest.mark.parametrize("count", [5, 50])
def test_the_general_linear_group_of_dimension_40_is_irreducible(count: int) -> None:
    rng = np.random.default_rng(7)
    assert answer(general_linear(40, count)(rng), 1e-3, rng)[0].verdict == "irreducible"


def test_the_obstruction_is_the_smallest_complement_residual_of_the_steps() -> None:
    rng = np.random.default_rng(8)
    found, matrices = answer(affine_power(2, 2)(rng), 0.0, rng)
    assert found.flag is not None
    turned = found.basis.T @ torch.from_numpy(matrices) @ found.basis
    steps = [
        complement_residual(turned[:, :p, :p], turned[:, p:end, p:end], turned[:, :p, p:end])
        for p, end in pairwise(found.flag)
    ]
    assert found.obstruction == pytest.approx(min(steps), rel=1e-6)


def test_the_complement_residual_is_that_of_its_formula() -> None:
    rng = np.random.default_rng(9)
    b, d, c = (rng.standard_normal((6, *shape)) for shape in ((3, 3), (2, 2), (3, 2)))
    operator = np.concatenate(
        [np.kron(one, np.eye(2)) - np.kron(np.eye(3), two.T) for one, two in zip(b, d, strict=True)]
    )
    left = np.linalg.lstsq(operator, -c.ravel(), rcond=None)[1]
    expected = float(np.sqrt(left.sum() / (c**2).sum()))
    assert complement_residual(*map(torch.from_numpy, (b, d, c))) == pytest.approx(expected, rel=1e-9)


def test_a_complement_leaves_no_residual_and_an_extension_by_itself_all_of_it() -> None:
    rng = np.random.default_rng(10)
    b, d, y = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((6, 3, 3), (6, 2, 2), (3, 2)))
    assert complement_residual(b, d, y @ d - b @ y) < 1e-12
    one = torch.ones(6, 1, 1, dtype=torch.float64)
    assert complement_residual(one, one, torch.from_numpy(rng.standard_normal((6, 1, 1)))) == pytest.approx(1)
    assert complement_residual(one, one, 0 * one) == 0
