"""The subjects themselves: irreducible representations that are what they are said to be."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np
import pytest

from tests.decomposition.groups import (
    SO3,
    SU2,
    Cyclic,
    Dihedral,
    FiniteGroup,
    Group,
    Irrep,
    Quaternion,
    Symmetric,
    Torus,
    partitions,
)
from tests.decomposition.subjects import ENDOMORPHISMS, intertwiner_dim

FINITE = [Symmetric(3), Symmetric(4), Symmetric(5), Cyclic(3), Cyclic(8), Dihedral(5), Dihedral(6), Quaternion()]
GROUPS = [*FINITE, Symmetric(6), Torus(1), Torus(2, 1), SO3(), SU2()]
FROBENIUS_SCHUR = {"R": 1, "C": 0, "H": -2}


def name(group: Group) -> str:
    return group.name


@pytest.mark.parametrize("group", GROUPS, ids=name)
def test_irreducibles_are_orthogonal_and_respect_products(group: Group) -> None:
    elements = group.sample(12, np.random.default_rng(0))
    products = [group.compose(g, h) for g, h in zip(elements, elements[::-1], strict=True)]
    for irrep in group.irreps():
        matrices = irrep(elements)
        assert matrices.shape == (12, irrep.dim, irrep.dim)
        np.testing.assert_allclose(
            matrices @ matrices.swapaxes(1, 2), np.eye(irrep.dim)[None].repeat(12, 0), atol=1e-12
        )
        np.testing.assert_allclose(matrices @ matrices[::-1], irrep(products), atol=1e-12)


@pytest.mark.parametrize("group", FINITE, ids=name)
def test_characters_tell_irreducibles_apart_and_give_their_type(group: FiniteGroup) -> None:
    irreps = group.irreps()
    squares = [group.compose(g, g) for g in group.elements]
    table = np.stack([characters(irrep, group.elements) for irrep in irreps])
    norms = [ENDOMORPHISMS[irrep.type] for irrep in irreps]
    np.testing.assert_allclose(table @ table.T / group.order, np.diag(norms), atol=1e-10)
    for irrep in irreps:
        assert np.mean(characters(irrep, squares)) == pytest.approx(FROBENIUS_SCHUR[irrep.type])


@pytest.mark.parametrize("group", FINITE, ids=name)
def test_no_irreducible_of_a_finite_group_is_missing(group: FiniteGroup) -> None:
    assert sum(irrep.dim**2 / ENDOMORPHISMS[irrep.type] for irrep in group.irreps()) == group.order


def characters(irrep: Irrep, elements: list[object]) -> np.ndarray:
    return np.trace(irrep(elements), axis1=1, axis2=2)


@pytest.mark.parametrize("group", [SO3(), SU2(), Torus(2, 1)], ids=name)
def test_only_equivalent_irreducibles_of_a_lie_group_have_intertwiners_as_many_as_their_type_says(group: Group) -> None:
    elements = group.sample(6, np.random.default_rng(1))
    small = [irrep for irrep in group.irreps() if irrep.dim <= 9]
    for first, second in combinations_with_replacement(small, 2):
        expected = ENDOMORPHISMS[first.type] if first is second else 0
        assert intertwiner_dim(first(elements), second(elements)) == expected, (first.label, second.label)


@pytest.mark.parametrize("n", range(2, 8))
def test_dimensions_of_young_s_form_are_those_of_the_hook_lengths(n: int) -> None:
    for shape in partitions(n):
        columns = [sum(row > c for row in shape) for c in range(shape[0])]
        hooks = [shape[r] - c + columns[c] - r - 1 for r in range(len(shape)) for c in range(shape[r])]
        assert Symmetric(n).young(shape).dim == math.factorial(n) // math.prod(hooks)


@pytest.mark.parametrize("j", [1, 2, 3])
def test_integer_spins_are_real_and_the_first_is_a_rotation_of_space(j: int) -> None:
    group = SO3()
    for g in group.sample(5, np.random.default_rng(2)):
        angle = 2 * math.acos(g[0])
        character = math.sin((2 * j + 1) * angle / 2) / math.sin(angle / 2)
        assert np.trace(group.spin(j).matrix(g)) == pytest.approx(character)
        assert np.linalg.det(group.spin(j).matrix(g)) == pytest.approx(1)


@pytest.mark.parametrize("group", FINITE, ids=name)
def test_the_regular_representation_and_random_elements_generate_the_group(group: FiniteGroup) -> None:
    elements = group.sample(3, np.random.default_rng(3))
    assert len(group.generated(elements)) == group.order
    matrices = group.regular(elements)
    np.testing.assert_array_equal(matrices[0] @ matrices[1], group.regular([group.compose(*elements[:2])])[0])


@pytest.mark.parametrize("group", [Symmetric(4), Dihedral(6)], ids=name)
def test_natural_representations_respect_products(group: Symmetric | Dihedral) -> None:
    g, h = group.sample(2, np.random.default_rng(4))
    a, b, c = group.natural([g, h, group.compose(g, h)])
    np.testing.assert_array_equal(a @ b, c)
