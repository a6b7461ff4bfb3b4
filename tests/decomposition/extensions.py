"""Representations that are reducible but do not split, and random sums of them with irreducible ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.decomposition.groups import SO3, SU2, Symmetric, Torus
from tests.decomposition.subjects import Array, Subject, affine, found_in, scales, shear, stacked

NOISE = (0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2)
Part = tuple[Callable[[np.random.Generator], Array], int, str, tuple[int, ...] | None]
"""How to make the matrices of an indecomposable part, its dimension, type, and its flag where it is reducible."""


def self_extension(matrices: Array, rng: np.random.Generator) -> Array:
    """``[[A, tA], [0, A]]``."""
    t = shear(rng, len(matrices)).matrices
    return np.einsum("kij,kpq->kipjq", t, matrices).reshape(len(t), *(2 * matrices.shape[1],) * 2)


def with_translations(top: Array, rng: np.random.Generator) -> Array:
    """``[[A, v], [0, 1]]`` for independent v."""
    matrices = stacked([top, np.ones((len(top), 1, 1))])
    matrices[:, :-1, -1] = rng.standard_normal(top.shape[:2])
    return matrices


def triangular(diagonals: Array, rng: np.random.Generator, nonzero: list[tuple[int, int]]) -> Array:
    """Upper triangular matrices with the given diagonals ``[K, m]`` and independent entries where said."""
    matrices = diagonals[:, :, None] * np.eye(diagonals.shape[1])
    for i, j in nonzero:
        matrices[:, i, j] = rng.standard_normal(len(matrices))
    return matrices


def heisenberg(count: int, rng: np.random.Generator) -> Array:
    """Upper triangular with ones on the diagonal, 3 x 3."""
    return triangular(np.ones((count, 3)), rng, [(0, 1), (1, 2), (0, 2)])


def extensions(rng: np.random.Generator, count: int = 8) -> list[Subject]:
    """One indecomposable extension of each kind."""
    standard = Symmetric(4).irrep("3,1")(Symmetric(4).sample(count, rng))
    turns = Torus(1).weight(1)(Torus(1).sample(count, rng))
    quaternions = SU2().spin(0.5)(SU2().sample(count, rng))
    ones, a, b = np.ones(count), scales(count, rng), -scales(count, rng)
    two_socles = triangular(np.stack([a, b, ones], 1), rng, [(0, 2), (1, 2)])
    one_socle = triangular(np.stack([ones, a, b], 1), rng, [(0, 1), (0, 2)])
    return [
        found_in(with_translations(turns, rng), [(3, 1, "R")], "SE(2)", [(2, 3)]),
        found_in(with_translations(standard, rng), [(4, 1, "R")], "S4 and translations", [(3, 4)]),
        found_in(with_translations(quaternions, rng), [(5, 1, "R")], "SU(2) and translations", [(4, 5)]),
        found_in(self_extension(turns, rng), [(4, 1, "C")], "a self-extension of type C", [(2, 4)]),
        found_in(self_extension(quaternions, rng), [(8, 1, "H")], "a self-extension of type H", [(4, 8)]),
        found_in(heisenberg(count, rng), [(3, 1, "R")], "Heisenberg", [(1, 2, 3)]),
        found_in(two_socles, [(3, 1, "R")], "two socles", [(2, 3)]),
        found_in(one_socle, [(3, 1, "R")], "one socle", [(1, 3)]),
    ]


def _parts(count: int, rng: np.random.Generator) -> dict[str, Part]:
    elements = SU2().sample(count, rng)
    turns, others = (Torus(1).weight(1)(Torus(1).sample(count, rng)) for _ in range(2))
    vectors, quaternions = SO3().spin(1)(elements), SU2().spin(0.5)(elements)
    ones = np.ones(count)
    a, b = scales(count, rng), scales(count, rng)
    return {
        "trivial": (lambda _: ones[:, None, None], 1, "R", None),
        "scale": (lambda _: a[:, None, None], 1, "R", None),
        "turns": (lambda _: turns, 2, "C", None),
        "other turns": (lambda _: others, 2, "C", None),
        "vectors": (lambda _: vectors, 3, "R", None),
        "quaternions": (lambda _: quaternions, 4, "H", None),
        "affine(1)": (lambda r: affine(a, r.standard_normal((count, 1))), 2, "R", (1, 2)),
        "affine(2)": (lambda r: affine(b, r.standard_normal((count, 2))), 3, "R", (2, 3)),
        "affine(4)": (lambda r: affine(a, r.standard_normal((count, 4))), 5, "R", (4, 5)),
        "shear": (lambda r: affine(ones, r.standard_normal((count, 1))), 2, "R", (1, 2)),
        "SE(2)": (lambda r: with_translations(turns, r), 3, "R", (2, 3)),
        "SE(3)": (lambda r: with_translations(vectors, r), 4, "R", (3, 4)),
        "quaternions and translations": (lambda r: with_translations(quaternions, r), 5, "R", (4, 5)),
        "self-extension of turns": (lambda r: self_extension(turns, r), 4, "C", (2, 4)),
        "self-extension of quaternions": (lambda r: self_extension(quaternions, r), 8, "H", (4, 8)),
        "Heisenberg": (lambda r: heisenberg(count, r), 3, "R", (1, 2, 3)),
    }


def random_extension(seed: int, sigma: float | None = None) -> Subject:
    """One to four indecomposable parts, one to three copies each, 8 to 12 matrices, in a random basis, noisy.

    The basis is orthogonal or of condition 5, the noise one of `NOISE`, or the one given.
    """
    rng = np.random.default_rng([7, seed])
    count = int(rng.integers(8, 13))
    parts = _parts(count, rng)
    blocks: list[Array] = []
    expected, flags, terms = [], [], []
    for name in rng.choice(list(parts), int(rng.integers(1, 5)), replace=False):
        make, dim, type, flag = parts[str(name)]
        multiplicity = int(rng.choice([1, 1, 1, 2, 3]))
        blocks += [make(rng)] * multiplicity
        expected.append((dim, multiplicity, type))
        flags += [flag] * multiplicity if flag else []
        terms.append(f"{multiplicity} x {name}")
    subject = found_in(stacked(blocks), expected, "", flags)
    condition = int(rng.choice([1, 5]))
    subject = subject.under_similarity(rng, condition)
    drawn = float(rng.choice(NOISE))
    sigma = drawn if sigma is None else sigma
    described = f"seed {seed}, {' + '.join(terms)}, K={count}, m={subject.size}, cond {condition}, sigma={sigma:g}"
    return subject.with_noise(sigma, rng)._replace(description=described)
