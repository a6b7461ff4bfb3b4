"""Groups and their real irreducible representations, from first principles.

Every group has `compose`, `sample` and `irreps`; an `Irrep` is its dimension, its real type and a matrix an element.
Real irreducibles are of type R, C or H by their algebra of endomorphisms (Frobenius and Schur 1906).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Any, Literal

import numpy as np
from scipy.linalg import expm

Array = np.ndarray
Element = Any
RealType = Literal["R", "C", "H"]


@dataclass(frozen=True)
class Irrep:
    """A real irreducible orthogonal representation of a named group."""

    group: str
    label: str
    dim: int
    type: RealType
    matrix: Callable[[Element], Array]

    def __call__(self, elements: Sequence[Element]) -> Array:
        """The matrices ``[K, dim, dim]``."""
        return np.stack([self.matrix(g) for g in elements])


class Group(ABC):
    name: str

    @abstractmethod
    def compose(self, g: Element, h: Element) -> Element:
        """The product gh."""

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> list[Element]:
        """Random elements that generate the group, or a dense subgroup of it."""

    @abstractmethod
    def irreps(self) -> list[Irrep]:
        """Pairwise inequivalent real irreducible representations: all of a finite group, the first of a Lie group."""

    def irrep(self, label: str) -> Irrep:
        [found] = [irrep for irrep in self.irreps() if irrep.label == label]
        return found

    def _irrep(self, label: str, type: RealType, matrix: Callable[[Element], Array], dim: int) -> Irrep:
        return Irrep(self.name, label, dim, type, matrix)

    def _character(self, label: str, value: Callable[[Element], float]) -> Irrep:
        return self._irrep(label, "R", lambda g: np.array([[float(value(g))]]), 1)


class FiniteGroup(Group):
    generators: tuple[Element, ...]

    @cached_property
    def elements(self) -> list[Element]:
        return self.generated(self.generators)

    @property
    def order(self) -> int:
        return len(self.elements)

    def generated(self, generators: Sequence[Element]) -> list[Element]:
        """All products of `generators`: in a finite group they are the subgroup."""
        found = dict.fromkeys(generators)
        new = list(found)
        while new:
            products = dict.fromkeys(self.compose(g, s) for g in new for s in generators)
            new = [g for g in products if g not in found]
            found |= dict.fromkeys(new)
        return list(found)

    def sample(self, count: int, rng: np.random.Generator) -> list[Element]:
        while True:
            drawn = [self.elements[i] for i in rng.integers(self.order, size=count)]
            if len(self.generated(drawn)) == self.order:
                return drawn

    def regular(self, elements: Sequence[Element]) -> Array:
        """Left multiplication as permutation matrices ``[K, order, order]``."""
        index = {g: i for i, g in enumerate(self.elements)}
        matrices = np.zeros((len(elements), self.order, self.order))
        for k, g in enumerate(elements):
            for i, h in enumerate(self.elements):
                matrices[k, index[self.compose(g, h)], i] = 1
        return matrices


class Symmetric(FiniteGroup):
    """S_n; an element is the tuple of the images of 0 ... n-1."""

    def __init__(self, n: int) -> None:
        self.name, self.n = f"S{n}", n
        self.generators = tuple(_swapped(tuple(range(n)), i) for i in range(n - 1))

    def compose(self, g: Element, h: Element) -> Element:
        return tuple(g[i] for i in h)

    def irreps(self) -> list[Irrep]:
        return [self.young(shape) for shape in partitions(self.n)]

    def young(self, shape: tuple[int, ...]) -> Irrep:
        """Young's orthogonal form of a partition: the label is its parts, joined by commas."""
        swaps = young_orthogonal_form(shape)

        def matrix(g: tuple[int, ...]) -> Array:
            # Sorting g by neighbours' swaps writes it as their product, last swap first.
            result, images = np.eye(swaps.shape[1]), g
            while (i := next((i for i in range(self.n - 1) if images[i] > images[i + 1]), None)) is not None:
                result, images = swaps[i] @ result, _swapped(images, i)
            return result

        return self._irrep(",".join(map(str, shape)), "R", matrix, swaps.shape[1])

    def natural(self, elements: Sequence[Element]) -> Array:
        """Permutations of the coordinates of R^n, ``[K, n, n]``."""
        return np.stack([np.eye(self.n)[:, list(g)] for g in elements])


def _swapped(images: tuple[int, ...], i: int) -> tuple[int, ...]:
    return (*images[:i], images[i + 1], images[i], *images[i + 2 :])


def partitions(n: int, largest: int | None = None) -> Iterator[tuple[int, ...]]:
    if n == 0:
        yield ()
    for first in range(min(n, largest or n), 0, -1):
        for rest in partitions(n - first, first):
            yield (first, *rest)


def standard_tableaux(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Standard Young tableaux, each as the rows in which the numbers 1 ... n stand."""
    if not any(shape):
        return [()]
    corners = [r for r in range(len(shape)) if shape[r] > (shape[r + 1] if r + 1 < len(shape) else 0)]
    without = {r: (*shape[:r], shape[r] - 1, *shape[r + 1 :]) for r in corners}
    return [(*smaller, r) for r in corners for smaller in standard_tableaux(without[r])]


@cache
def young_orthogonal_form(shape: tuple[int, ...]) -> Array:
    """``[n - 1, dim, dim]``: the swaps (i, i+1) on standard tableaux (James and Kerber 1981, section 3.4)."""
    tableaux = standard_tableaux(shape)
    index, n = {t: i for i, t in enumerate(tableaux)}, sum(shape)
    swaps = np.zeros((n - 1, len(tableaux), len(tableaux)))
    for t, rows in enumerate(tableaux):
        contents = [rows[:i].count(row) - row for i, row in enumerate(rows)]  # column minus row
        for i in range(n - 1):
            distance = contents[i + 1] - contents[i]
            swaps[i, t, t] = 1 / distance
            if abs(distance) > 1:
                swaps[i, index[_swapped(rows, i)], t] = math.sqrt(1 - 1 / distance**2)
    return swaps


class Cyclic(FiniteGroup):
    """C_n; an element is an integer modulo n."""

    def __init__(self, n: int) -> None:
        self.name, self.n, self.generators = f"C{n}", n, (1,)

    def compose(self, g: int, h: int) -> int:
        return (g + h) % self.n

    def irreps(self) -> list[Irrep]:
        found = [self._character("trivial", lambda g: 1)]
        if self.n % 2 == 0:
            found.append(self._character("alternating", lambda g: (-1) ** g))
        return found + [self._rotation(j) for j in range(1, (self.n + 1) // 2)]

    def _rotation(self, j: int) -> Irrep:
        return self._irrep(f"rotation {j}", "C", lambda g: rotation(2 * math.pi * j * g / self.n), 2)


class Dihedral(FiniteGroup):
    """D_n of order 2n; an element (k, s) is the reflection s, then the rotation k."""

    def __init__(self, n: int) -> None:
        self.name, self.n, self.generators = f"D{n}", n, ((1, 0), (0, 1))

    def compose(self, g: tuple[int, int], h: tuple[int, int]) -> tuple[int, int]:
        return ((g[0] + (h[0] if g[1] == 0 else -h[0])) % self.n, g[1] ^ h[1])

    def irreps(self) -> list[Irrep]:
        found = [self._character("trivial", lambda g: 1), self._character("determinant", lambda g: (-1) ** g[1])]
        if self.n % 2 == 0:
            found.append(self._character("alternating", lambda g: (-1) ** g[0]))
            found.append(self._character("alternating determinant", lambda g: (-1) ** (g[0] + g[1])))
        return found + [self._rotation(j) for j in range(1, (self.n + 1) // 2)]

    def _rotation(self, j: int) -> Irrep:
        def matrix(g: tuple[int, int]) -> Array:
            return rotation(2 * math.pi * j * g[0] / self.n) @ np.diag([1.0, (-1.0) ** g[1]])

        return self._irrep(f"rotation {j}", "R", matrix, 2)

    def natural(self, elements: Sequence[tuple[int, int]]) -> Array:
        """Permutations of the n vertices of the polygon, ``[K, n, n]``."""
        images = [[(k + (-i if s else i)) % self.n for i in range(self.n)] for k, s in elements]
        return np.stack([np.eye(self.n)[:, image] for image in images])


class Quaternion(FiniteGroup):
    """Q8 = {±1, ±i, ±j, ±k}; an element is its four coordinates."""

    name = "Q8"
    generators = ((0, 1, 0, 0), (0, 0, 1, 0))

    def compose(self, g: tuple[int, ...], h: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(int(x) for x in left_multiplication(g) @ np.array(h))

    def irreps(self) -> list[Irrep]:
        signs = {"trivial": (1, 1, 1), "i": (1, -1, -1), "j": (-1, 1, -1), "k": (-1, -1, 1)}
        found = [
            self._character(label, lambda g, s=sign: abs(g[0]) + np.dot(s, np.abs(g[1:])))
            for label, sign in signs.items()
        ]
        return [*found, self._irrep("quaternions", "H", left_multiplication, 4)]


class Torus(Group):
    """SO(2)^k; an element is k angles."""

    def __init__(self, k: int, largest_weight: int = 3) -> None:
        self.name, self.k, self.largest_weight = f"SO(2)^{k}", k, largest_weight

    def compose(self, g: Array, h: Array) -> Array:
        return g + h

    def sample(self, count: int, rng: np.random.Generator) -> list[Array]:
        return list(rng.uniform(0, 2 * math.pi, (count, self.k)))

    def irreps(self) -> list[Irrep]:
        weights = product(range(-self.largest_weight, self.largest_weight + 1), repeat=self.k)
        # w and -w are equivalent over the reals: the one whose first entry other than 0 is positive is taken.
        return [self._character("trivial", lambda g: 1), *(self.weight(*w) for w in weights if w > (0,) * self.k)]

    def weight(self, *w: int) -> Irrep:
        return self._irrep(f"weight {w}", "C", lambda g: rotation(float(np.dot(w, g))), 2)


class SO3(Group):
    """Rotations of space; an element is a unit quaternion, of which q and -q are the same rotation."""

    name = "SO(3)"
    largest_spin = 6.0

    def compose(self, g: Array, h: Array) -> Array:
        return left_multiplication(g) @ h

    def sample(self, count: int, rng: np.random.Generator) -> list[Array]:
        drawn = rng.standard_normal((count, 4))
        return list(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    def irreps(self) -> list[Irrep]:
        return [self.spin(j) for j in range(int(self.largest_spin) + 1)]

    def spin(self, j: float) -> Irrep:
        """Dimension 2j+1 and real for an integer; for a half-integer the complex one as real, 2(2j+1) of type H."""
        generators = spin_matrices(j)
        if 2 * j % 2 == 0:
            to_real = real_harmonics(int(j))
            generators = to_real @ generators @ to_real.conj().T

        def matrix(g: Array) -> Array:
            length = float(np.linalg.norm(g[1:]))
            vector = 2 * math.atan2(length, g[0]) * g[1:] / length
            exponential = expm(-1j * np.einsum("a,aij->ij", vector, generators))
            return exponential.real if 2 * j % 2 == 0 else as_real(exponential)

        if 2 * j % 2 == 0:
            return self._irrep(f"spin {j:g}", "R", matrix, int(2 * j + 1))
        return self._irrep(f"spin {j:g}", "H", matrix, int(2 * (2 * j + 1)))


class SU2(SO3):
    """Unit quaternions; its irreducibles are those of SO(3) and the half-integer spins."""

    name = "SU(2)"
    largest_spin = 3.5

    def irreps(self) -> list[Irrep]:
        return [self.spin(twice / 2) for twice in range(int(2 * self.largest_spin) + 1)]


def rotation(angle: float) -> Array:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def left_multiplication(q: Sequence[float] | Array) -> Array:
    """The matrix of x -> qx on the quaternions."""
    a, b, c, d = q
    return np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]])


def spin_matrices(j: float) -> Array:
    """The Hermitian J_x, J_y, J_z of spin j, ``[3, 2j+1, 2j+1]``, in the basis of J_z = j ... -j."""
    m = j - np.arange(int(2 * j) + 1)
    raising = np.diag(np.sqrt(j * (j + 1) - m[1:] * (m[1:] + 1)), 1)
    return np.stack([(raising + raising.T) / 2, (raising - raising.T) / 2j, np.diag(m)])


def real_harmonics(j: int) -> Array:
    """The unitary matrix whose rows are the real spherical harmonics in the basis of J_z = j ... -j."""
    rows = np.zeros((2 * j + 1, 2 * j + 1), complex)
    rows[j, j] = 1
    for m in range(1, j + 1):
        rows[j - m, [j - m, j + m]] = np.array([(-1) ** m, 1]) / math.sqrt(2)
        rows[j + m, [j - m, j + m]] = np.array([(-1) ** m, -1]) * 1j / math.sqrt(2)
    return rows


def as_real(matrix: Array) -> Array:
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])
