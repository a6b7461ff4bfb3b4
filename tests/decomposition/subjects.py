"""What is decomposed in the tests and benchmarks: matrices, and the structure that is right by construction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from symdiff.decomposition import Decomposition
from tests.decomposition.groups import (
    SO3,
    SU2,
    Cyclic,
    Dihedral,
    Element,
    Group,
    Irrep,
    Quaternion,
    Symmetric,
    Torus,
    rotation,
)

Array = np.ndarray
Structure = tuple[tuple[int, int, str], ...]
"""Sorted (dimension of one copy, multiplicity, real type), like `Decomposition.structure`."""

Judgement = Literal["right", "unresolved", "wrong"]

ENDOMORPHISMS = {"R": 1, "C": 2, "H": 4}
"""Real dimension of the endomorphisms of an irreducible representation, by its type."""

SIGMAS = (0.0, 1e-6, 1e-3, 1e-2)
"""Noise levels of the random direct sums."""


class Subject(NamedTuple):
    """Matrices ``[K, m, m]`` and what is to be found in them."""

    matrices: Array
    expected: Structure
    sigma: float
    description: str
    flags: tuple[tuple[int, ...], ...] = ()
    """Sorted flags of the blocks that are reducible and indecomposable."""

    @property
    def size(self) -> int:
        return self.matrices.shape[1]

    def under(self, basis: Array) -> Subject:
        """The same in another basis, whose columns are given."""
        return self._replace(matrices=np.linalg.solve(basis, self.matrices @ basis))

    def in_random_orthogonal_basis(self, rng: np.random.Generator) -> Subject:
        return self.under(random_orthogonal(self.size, rng))

    def under_similarity(self, rng: np.random.Generator, condition: float = 5.0) -> Subject:
        return self.under(random_similarity(self.size, rng, condition))

    def with_noise(self, sigma: float, rng: np.random.Generator) -> Subject:
        """``A_k + sigma N(0, 1) / sqrt(m)``: of spectral norm about 2 sigma, whatever m is. Add it after the basis."""
        noise = rng.standard_normal(self.matrices.shape) / np.sqrt(self.size)
        return self._replace(matrices=self.matrices + sigma * noise, sigma=sigma)

    @property
    def verdict(self) -> str:
        """Of the whole set."""
        if sum(multiplicity for _, multiplicity, _ in self.expected) > 1:
            return "decomposable"
        return "reducible-indecomposable" if self.flags else "irreducible"

    def judge(self, found: Decomposition) -> Judgement:
        """Whether an answer is this structure; to say that the noise does not let one tell is never wrong."""
        if found.verdict == "unresolved":
            return "unresolved"
        flags = tuple(sorted(block.flag for block in found.blocks if block.flag for _ in range(block.multiplicity)))
        answer = (found.structure, found.verdict, flags)
        return "right" if answer == (self.expected, self.verdict, self.flags) else "wrong"

    @property
    def semisimple_dim(self) -> int:
        """Dimension of the commutant modulo its radical; of all of it where the subject is completely reducible."""
        return sum(multiplicity**2 * ENDOMORPHISMS[type] for _, multiplicity, type in self.expected)


def random_orthogonal(m: int, rng: np.random.Generator) -> Array:
    q, r = np.linalg.qr(rng.standard_normal((m, m)))
    return q * np.sign(np.diag(r))


def random_similarity(m: int, rng: np.random.Generator, condition: float = 5.0) -> Array:
    """Of exactly this condition number, singular values spread evenly on a logarithmic scale."""
    singular = np.geomspace(1, condition, m) if m > 1 else np.ones(1)
    return (random_orthogonal(m, rng) * singular) @ random_orthogonal(m, rng)


def stacked(blocks: Sequence[Array]) -> Array:
    """Block-diagonal matrices ``[K, m, m]`` of blocks ``[K, d_i, d_i]``."""
    m = sum(block.shape[1] for block in blocks)
    matrices, at = np.zeros((len(blocks[0]), m, m)), 0
    for block in blocks:
        d = block.shape[1]
        matrices[:, at : at + d, at : at + d] = block
        at += d
    return matrices


def direct_sum(parts: Sequence[tuple[Irrep, int]], elements: Sequence[Element]) -> Subject:
    """Inequivalent irreducibles with their multiplicities at the given elements."""
    matrices = stacked([irrep(elements) for irrep, multiplicity in parts for _ in range(multiplicity)])
    expected = tuple(sorted((irrep.dim, multiplicity, irrep.type) for irrep, multiplicity in parts))
    terms = (f"{multiplicity} x {irrep.label} ({irrep.dim}{irrep.type})" for irrep, multiplicity in parts)
    return Subject(matrices, expected, 0.0, f"{parts[0][0].group}: {' + '.join(terms)}, K={len(elements)}")


def found_in(
    matrices: Array,
    expected: Sequence[tuple[int, int, str]],
    description: str,
    flags: Sequence[tuple[int, ...]] = (),
) -> Subject:
    """Matrices that are not given as a direct sum, and the structure known by theory."""
    return Subject(matrices, tuple(sorted(expected)), 0.0, description, tuple(sorted(flags)))


# --- completely reducible --------------------------------------------------------------------


def s4_comparison(rng: np.random.Generator, count: int = 8) -> Subject:
    """S4 by 2 trivial + sign + 3 standard + 2 standard times sign: m = 18."""
    return s4_multiple(1, rng, count)


def s4_multiple(copies: int, rng: np.random.Generator, count: int = 8) -> Subject:
    """`copies` of the case of comparison: m = 18 copies."""
    group = Symmetric(4)
    elements = group.sample(count, rng)
    multiplicities = {"4": 2, "1,1,1,1": 1, "3,1": 3, "2,1,1": 2}
    return direct_sum([(group.irrep(label), n * copies) for label, n in multiplicities.items()], elements)


def random_group(rng: np.random.Generator) -> Group:
    kind = rng.choice(["S", "D", "C", "Q8", "SO(3)", "SU(2)", "torus"])
    match kind:
        case "S":
            return Symmetric(int(rng.integers(3, 7)))
        case "D":
            return Dihedral(int(rng.integers(3, 25)))
        case "C":
            return Cyclic(int(rng.integers(3, 17)))
        case "Q8":
            return Quaternion()
        case "SO(3)":
            return SO3()
        case "SU(2)":
            return SU2()
        case _:
            return Torus(int(rng.integers(1, 4)))


def random_direct_sum(seed: int, largest: int = 128, sigma: float | None = None) -> Subject:
    """A random group, random irreducibles and multiplicities, at random elements, in a random orthogonal basis, noisy.

    The size is drawn evenly on a logarithmic scale from 2 to `largest` and filled with irreducibles until nothing more
    fits, each with a multiplicity up to a bound that is drawn from 1 to 16; 6 to 12 elements; the noise one of
    `SIGMAS`, or the one given.
    """
    rng = np.random.default_rng([3, seed])
    group = random_group(rng)
    room = round(2 * (largest / 2) ** rng.random())
    most = 2 ** int(rng.integers(5))
    candidates = group.irreps()
    parts: list[tuple[Irrep, int]] = []
    while fitting := [irrep for irrep in candidates if irrep.dim <= room]:
        irrep = fitting[rng.integers(len(fitting))]
        multiplicity = int(rng.integers(1, 1 + min(most, room // irrep.dim)))
        parts.append((irrep, multiplicity))
        candidates.remove(irrep)
        room -= irrep.dim * multiplicity
    subject = direct_sum(parts, group.sample(int(rng.integers(6, 13)), rng)).in_random_orthogonal_basis(rng)
    drawn = SIGMAS[rng.integers(len(SIGMAS))]
    sigma = drawn if sigma is None else sigma
    described = f"seed {seed}, {subject.description}, m={subject.size}, sigma={sigma:g}"
    return subject.with_noise(sigma, rng)._replace(description=described)


# --- not unitarisable ------------------------------------------------------------------------


def affine(a: Array, v: Array) -> Array:
    """``[[a I_n, v], [0, 1]]`` for a ``[K]`` and v ``[K, n]``: ``[K, n+1, n+1]``."""
    count, n = v.shape
    matrices = np.zeros((count, n + 1, n + 1))
    matrices[:, :n, :n] = a[:, None, None] * np.eye(n)
    matrices[:, :n, n] = v
    matrices[:, n, n] = 1
    return matrices


def scales(count: int, rng: np.random.Generator) -> Array:
    """Factors away from 1: near it, the affine matrices nearly commute with more than they do."""
    return rng.uniform(0.5, 0.9, count)


def founding(n: int, rng: np.random.Generator, spare: int = 4) -> Subject:
    """GL(n+1) acting on a state of n numbers: all of it, with enough samples to generate every translation."""
    count = n + 1 + spare
    matrices = affine(scales(count, rng), rng.standard_normal((count, n)))
    return found_in(matrices, [(n + 1, 1, "R")], f"[[a I, v], [0, 1]] with n={n}, K={count}", [(n, n + 1)])


def fixed_point(n: int, rng: np.random.Generator, count: int = 8) -> Subject:
    """``v = (a - 1) c``: every map fixes the point -c, so the extension splits."""
    a = scales(count, rng)
    matrices = affine(a, (a - 1)[:, None] * rng.standard_normal(n))
    return found_in(matrices, [(1, 1, "R"), (1, n, "R")], f"v = (a - 1) c with n={n}, K={count}")


def affine_blocks(k: int, rng: np.random.Generator, count: int = 8) -> Subject:
    """k blocks ``[[a, p_i . v], [0, 1]]`` with independent p_i."""
    a, v = scales(count, rng), rng.standard_normal((count, k))
    readings = v @ random_similarity(k, rng, 2.0)
    matrices = stacked([affine(a, readings[:, i : i + 1]) for i in range(k)])
    return found_in(matrices, [(2, 1, "R")] * k, f"{k} affine blocks of dim 2, K={count}", [(1, 2)] * k)


def shear(rng: np.random.Generator, count: int = 6) -> Subject:
    """``[[1, t], [0, 1]]``: translations of a line, commutant of dimension 2."""
    matrices = affine(np.ones(count), rng.standard_normal((count, 1)))
    return found_in(matrices, [(2, 1, "R")], f"[[1, t], [0, 1]], K={count}", [(1, 2)])


def mixed(rng: np.random.Generator, count: int = 10) -> Subject:
    """rot(t) + rot(2t) + affine(2) + trivial, of which the affine part is reducible and indecomposable."""
    angles = rng.uniform(0, 2 * np.pi, count)
    rotations = [np.stack([rotation(j * t) for t in angles]) for j in (1, 2)]
    extension = affine(scales(count, rng), rng.standard_normal((count, 2)))
    matrices = stacked([*rotations, extension, np.ones((count, 1, 1))])
    expected = [(1, 1, "R"), (2, 1, "C"), (2, 1, "C"), (3, 1, "R")]
    return found_in(matrices, expected, f"rot(t) + rot(2t) + affine(2) + trivial, K={count}", [(2, 3)])


# --- an independent reference for small sizes -----------------------------------------------


def intertwiner_dim(first: Array, second: Array) -> int:
    """Dimension of {X : X A_k = B_k X for all k} by a dense singular value decomposition."""
    d, e = first.shape[1], second.shape[1]
    equations = np.concatenate(
        [np.kron(np.eye(e), a.T) - np.kron(b, np.eye(d)) for a, b in zip(first, second, strict=True)]
    )
    singular = np.linalg.svd(equations, compute_uv=False)
    return int(np.sum(singular < 1e-9 * max(1.0, singular[0])))
