"""The irreps are escnn's, and representations split into them as characters say."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff_escnn.elements import rotation
from symdiff_escnn.fields import intertwiners
from symdiff_escnn.irreps import characters, endomorphisms, matrices
from symdiff_escnn.library import plane_group
from tests.escnn.makers import GROUPS, family


@pytest.mark.parametrize("group", [*GROUPS, "C2", "D2"])
def test_matrices_and_names_agree_with_escnn(group: str) -> None:
    f = family(group)
    theirs = plane_group(f.group.kind, f.group.order, 8)
    for element in list(theirs.testing_elements())[::3]:
        flipped, angle = element.to("radians") if f.group.reflects else (0, element.to("radians"))
        g = rotation(torch.tensor(float(angle), dtype=torch.float64))
        g = g * torch.tensor([-1.0 if flipped else 1.0, 1.0], dtype=torch.float64)
        for irrep in f.known:
            expected = theirs.irrep(*irrep.id)
            torch.testing.assert_close(matrices(f.group, irrep, g), torch.tensor(expected(element)).double())
            assert (irrep.name, irrep.size, irrep.type) == (expected.name, expected.size, expected.type)
            assert float(characters(f.group, irrep, g)) == pytest.approx(expected.character(element), abs=1e-12)


@pytest.mark.parametrize("group", ["C1", "C5", "C8", "D1", "D3", "D8"])
def test_there_are_as_many_as_the_regular_representation_needs(group: str) -> None:
    f = family(group)
    assert sum(irrep.in_regular * irrep.size for irrep in f.known) == len(f.group.elements)


@given(seed=st.integers(0, 2**31), group=st.sampled_from(GROUPS))
def test_irreps_are_homomorphisms_and_commute_with_their_endomorphisms(seed: int, group: str) -> None:
    f = family(group)
    a, b = f.group.sample(2, torch.Generator().manual_seed(seed))
    for irrep in f.known:
        A, B = matrices(f.group, irrep, a), matrices(f.group, irrep, b)
        torch.testing.assert_close(matrices(f.group, irrep, f.compose(a, b)), A @ B, rtol=0, atol=1e-12)
        basis = endomorphisms(f.group, irrep)
        assert len(basis) == irrep.commutant
        torch.testing.assert_close(A @ basis, basis @ A, rtol=0, atol=1e-12)


@pytest.mark.parametrize("group", ["C4", "D4"])
@pytest.mark.parametrize("side", [4, 5])
def test_pixels_hold_each_irrep_as_often_as_the_character_of_the_permutations_says(group: str, side: int) -> None:
    f = family(group, (1, side, side))
    pixels = torch.eye(side * side, dtype=torch.float64).reshape(side * side, 1, side, side)
    moved = f.act(f.group.elements[:, None], pixels).flatten(2)
    traces = moved.diagonal(dim1=1, dim2=2).sum(-1)
    for irrep in f.known:
        expected = float((traces * characters(f.group, irrep, f.group.elements)).mean()) / irrep.commutant
        assert f.action.coordinates.fields.count(irrep) == round(expected)
    assert f.action.coordinates.fields.dimension == side * side


def test_intertwiners_intertwine_and_are_orthonormal() -> None:
    f = family("C4")
    turning = next(irrep for irrep in f.known if irrep.size == 2)
    value = matrices(f.group, turning, f.group.elements)
    permutation = torch.stack([torch.roll(torch.eye(4).double(), r, 0) for r in range(4)])
    found = intertwiners(permutation, value)
    assert len(found) == 1
    torch.testing.assert_close(permutation @ found[0], found[0] @ value, rtol=0, atol=1e-12)
    torch.testing.assert_close(found[0].T @ found[0], torch.eye(2).double())


def test_a_frequency_of_the_circle_splits_in_a_finite_group() -> None:
    assert str(family("C3").action.coordinates.fields) == (
        "10 x irrep_0 (dimension 1, type R) + 12 x irrep_1 (dimension 2, type C)"
    )
    turns = rotation(torch.tensor(2 * math.pi / 3, dtype=torch.float64))
    x = torch.randn(1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(family("C3").act(turns, x), family("SO2").act(turns, x))
