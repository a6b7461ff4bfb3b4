"""Decompositions known by theory, without noise, and the case other decomposers are compared on, with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symdiff.decomposition import decompose
from tests.decomposition.groups import SO3, Cyclic, Dihedral, FiniteGroup, Irrep, Quaternion, Symmetric, Torus
from tests.decomposition.subjects import Subject, direct_sum, found_in, s4_comparison

RNG = np.random.default_rng
RIGHT_UP_TO = {"orthogonal": 5e-2, "similar": 1e-3}
"""The noise up to which the case of comparison has to be resolved, by the basis it is given in."""
TWO_GENERATORS = "natural D64, two generators"
NOISE = (0.0, 1e-8, 1e-4, 1e-3, 1e-2, 5e-2, 0.1, 0.2, 0.3, 0.5)


def of_dimensions(*structure: tuple[int, int]) -> list[tuple[int, int, str]]:
    """Blocks of type R by (dimension, multiplicity)."""
    return [(dim, multiplicity, "R") for dim, multiplicity in structure]


def regular(group: FiniteGroup, structure: list[tuple[int, int, str]]) -> Callable[[np.random.Generator], Subject]:
    def make(rng: np.random.Generator) -> Subject:
        return found_in(group.regular(group.sample(8, rng)), structure, f"regular {group.name}")

    return make


def symmetric_natural(n: int) -> Callable[[np.random.Generator], Subject]:
    def make(rng: np.random.Generator) -> Subject:
        # Random permutations of many points almost surely generate A_n or S_n (Dixon 1969): the blocks are the same.
        elements = Symmetric(n).sample(8, rng) if n < 7 else [tuple(rng.permutation(n)) for _ in range(8)]
        return found_in(Symmetric(n).natural(elements), of_dimensions((1, 1), (n - 1, 1)), f"natural S{n}")

    return make


def polygon(rng: np.random.Generator) -> Subject:
    group = Dihedral(64)
    return found_in(group.natural(group.sample(8, rng)), of_dimensions((1, 1), (1, 1), *[(2, 1)] * 31), "natural D64")


def polygon_by_its_generators(rng: np.random.Generator) -> Subject:
    group = Dihedral(64)
    return polygon(rng)._replace(matrices=group.natural(group.generators), description="natural D64, two generators")


def tensor_square(rng: np.random.Generator) -> Subject:
    group = Symmetric(5)
    natural = group.natural(group.sample(8, rng))
    expected = of_dimensions((1, 2), (4, 3), (5, 1), (6, 1))
    return found_in(np.stack([np.kron(a, a) for a in natural]), expected, "S5 on R^5 x R^5")


def vector_cube(rng: np.random.Generator) -> Subject:
    group = SO3()
    vector = group.spin(1)(group.sample(8, rng))
    expected = of_dimensions((1, 1), (3, 3), (5, 2), (7, 1))
    return found_in(np.stack([np.kron(a, np.kron(a, a)) for a in vector]), expected, "SO(3) on 3 x 3 x 3")


def harmonics(rng: np.random.Generator) -> Subject:
    group = SO3()
    return direct_sum([(group.spin(degree), 1) for degree in range(7)], group.sample(8, rng))


def torus(rng: np.random.Generator) -> Subject:
    group = Torus(2)
    return direct_sum([(group.weight(*w), 1) for w in ((1, 0), (0, 1), (1, 1), (1, -1))], group.sample(8, rng))


def single(irrep: Irrep, elements: list[Any]) -> Subject:
    return direct_sum([(irrep, 1)], elements)


KNOWN: dict[str, Callable[[np.random.Generator], Subject]] = {
    "regular S4": regular(Symmetric(4), of_dimensions((1, 1), (1, 1), (2, 2), (3, 3), (3, 3))),
    "regular S5": regular(Symmetric(5), of_dimensions((1, 1), (1, 1), (4, 4), (4, 4), (5, 5), (5, 5), (6, 6))),
    "regular Q8": regular(Quaternion(), [*of_dimensions(*[(1, 1)] * 4), (4, 1, "H")]),
    "regular C3": regular(Cyclic(3), [(1, 1, "R"), (2, 1, "C")]),
    "natural D64": polygon,
    TWO_GENERATORS: polygon_by_its_generators,
    "natural S3": symmetric_natural(3),
    "natural S6": symmetric_natural(6),
    "natural S20": symmetric_natural(20),
    "S5 on R^5 x R^5": tensor_square,
    "SO(3) on 3 x 3 x 3": vector_cube,
    "spherical harmonics": harmonics,
    "torus": torus,
    "S4 of comparison": s4_comparison,
    "one irreducible": lambda rng: single(Symmetric(5).irrep("3,2"), Symmetric(5).sample(8, rng)),
    "one of type C": lambda rng: single(Cyclic(5).irrep("rotation 2"), Cyclic(5).sample(4, rng)),
    "one of type H": lambda rng: single(Quaternion().irrep("quaternions"), Quaternion().sample(4, rng)),
}


@pytest.mark.parametrize("noise", [0.0, None], ids=["exact", "estimated"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_known_answer_in_a_random_orthogonal_basis(name: str, noise: float | None) -> None:
    subject = KNOWN[name](RNG(0)).in_random_orthogonal_basis(RNG(1))
    check(subject, decompose(subject.matrices, noise, resamples=0))


# From two generators of D64 the invariant form is found only up to an error that reads as noise, and slowly.
SIMILAR = [
    *((name, noise) for name in KNOWN if name != TWO_GENERATORS for noise in (0.0, None)),
    pytest.param(TWO_GENERATORS, 0.0, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("name", "noise"), SIMILAR)
def test_a_known_answer_under_a_random_similarity(name: str, noise: float | None) -> None:
    subject = KNOWN[name](RNG(0)).under_similarity(RNG(1))
    check(subject, decompose(subject.matrices, noise, resamples=0))


def check(subject: Subject, found: Any) -> None:
    assert found.structure == subject.expected, found
    assert subject.judge(found) == "right", found
    assert found.commutant_dim == subject.semisimple_dim
    assert found.off_block < 1e-6


# The full table is 20 seeds; of it the first is in the normal run.
SEEDS = [pytest.param(seed, marks=[pytest.mark.long] if seed else []) for seed in range(20)]


@pytest.mark.parametrize("given", [True, False], ids=["noise given", "noise estimated"])
@pytest.mark.parametrize("basis", RIGHT_UP_TO)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_case_of_comparison_is_right_where_resolvable_and_never_wrong(seed: int, basis: str, given: bool) -> None:
    for sigma in NOISE:
        rng = RNG([seed, round(1e9 * sigma)])
        subject = s4_comparison(rng)
        changed = subject.in_random_orthogonal_basis(rng) if basis == "orthogonal" else subject.under_similarity(rng)
        noisy = changed.with_noise(sigma, rng)
        judged = noisy.judge(found := decompose(noisy.matrices, sigma if given else None, resamples=0))
        resolvable = sigma <= RIGHT_UP_TO[basis] and (given or basis == "orthogonal")
        assert judged in (("right",) if resolvable else ("right", "unresolved")), (sigma, found)
