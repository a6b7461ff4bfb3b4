"""rho = exp . d rho . log: a homomorphism exactly when d rho preserves brackets, and the way onto those."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diffusion import affine
from symdiff.errors import BlindProjectionError
from symdiff.representations import LieRepresentation
from symdiff_affine.closed_form import sufficient_basis

D = 6


def near_a_homomorphism(
    sizes: tuple[int, ...], noise: float, seed: int = 0, small_basis: bool = True
) -> LieRepresentation:
    """Blocks ``[[a, p v], [0, 1]]`` (d rho of them) with noise of relative size `noise` added."""
    torch.manual_seed(seed)
    basis = {"sufficient_basis": sufficient_basis} if small_basis else {}
    rho = LieRepresentation(affine.log, affine.bracket, D + 1, sizes, **basis).double()
    with torch.no_grad():
        for generators in rho.generators:
            size = round(generators.shape[-1] ** 0.5)
            exact = torch.zeros_like(generators).unflatten(-1, (size, size))
            for i in range(size - 1):
                exact[:, 0, i, i] = 1
                exact[:, 1:, i, -1] = torch.randn(len(generators), D, dtype=torch.float64)
            generators.copy_(exact.flatten(-2) + noise * torch.randn_like(generators))
    return rho


def elements(n: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    g = 0.5 * torch.randn(n, D + 1, dtype=torch.float64, generator=generator)
    return torch.cat([g[:, :1].exp(), g[:, 1:]], dim=1)


@torch.no_grad()
def law_defect(rho: LieRepresentation, g2: Tensor, g1: Tensor) -> float:
    return float((rho(affine.compose(g2, g1)) - rho(g2) @ rho(g1)).norm() / (rho(g2) @ rho(g1)).norm())


def test_preserving_brackets_is_the_homomorphism_law() -> None:
    g2, g1 = elements(20), elements(20, seed=2)
    exact, bent = near_a_homomorphism((2, 2), 0), near_a_homomorphism((2, 2), 0.1)
    assert exact.bracket_error() < 1e-15
    assert law_defect(exact, g2, g1) < 1e-14
    assert bent.bracket_error() > 1e-2
    assert law_defect(bent, g2, g1) > 1e-2


@given(seed=st.integers(0, 1000), noise=st.floats(0.001, 1))
def test_the_small_basis_measures_what_all_pairs_measure(seed: int, noise: float) -> None:
    small = near_a_homomorphism((2, 2, 3), noise, seed)
    every = near_a_homomorphism((2, 2, 3), noise, seed, small_basis=False)
    torch.testing.assert_close(small.penalty(elements(1)), every.penalty(elements(1)))


def test_the_small_basis_gives_the_gradient_all_pairs_give() -> None:
    small = near_a_homomorphism((2, 2), 0.3)
    every = near_a_homomorphism((2, 2), 0.3, small_basis=False)
    for rho in (small, every):
        rho.penalty(elements(1)).backward()
    torch.testing.assert_close(small.generators[0].grad, every.generators[0].grad)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 3), (2, 3), (4,), (1, 2)])
def test_projection_lands_on_a_homomorphism_without_going_far(sizes: tuple[int, ...]) -> None:
    rho = near_a_homomorphism(sizes, 0.02)
    projected, moved = rho.projected()
    assert rho.form == "lie"
    assert projected.form == "lie-projected"
    assert 0 < moved < 0.2
    assert projected.bracket_error() < 1e-12
    assert law_defect(projected, elements(20), elements(20, seed=2)) < 1e-11
    assert not any(parameter.requires_grad for parameter in projected.parameters())


def test_a_homomorphism_is_its_own_projection() -> None:
    rho = near_a_homomorphism((2, 2), 0)
    projected, moved = rho.projected()
    assert moved < 1e-12
    torch.testing.assert_close(projected.generators[0], rho.generators[0])


def test_a_dense_block_is_projected_without_a_dense_jacobian() -> None:
    rho = near_a_homomorphism((6,), 0.01)
    projected, _ = rho.projected()
    assert projected.bracket_error() < 1e-12


def test_a_projection_that_goes_blind_is_refused() -> None:
    rho = near_a_homomorphism((2, 2), 0)
    blind = copy.deepcopy(rho)
    with torch.no_grad():
        blind.generators[0][:, 1:] = 0
    with pytest.raises(BlindProjectionError, match="derived algebra"):
        blind.refuse_blindness(rho)


def test_a_representation_with_no_nilpotent_part_cannot_be_projected_without_going_blind() -> None:
    """Every finite-dimensional rho is unipotent on translations: 1x1 blocks are all blind."""
    torch.manual_seed(0)
    rho = LieRepresentation(affine.log, affine.bracket, D + 1, (1, 1), sufficient_basis).double()
    with pytest.raises(BlindProjectionError):
        rho.projected()


def test_a_rollout_multiplies_later_elements_on_the_left() -> None:
    rho = near_a_homomorphism((2, 2, 3), 0.1)
    g = elements(8).unflatten(0, (2, 4))
    z = torch.randn(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    latents = rho.rollout(g, z)
    assert latents.shape == (2, 5, 7)
    matrices = rho(g)
    expected = matrices[:, 3] @ matrices[:, 2] @ matrices[:, 1] @ matrices[:, 0] @ z[..., None]
    torch.testing.assert_close(latents[:, -1], expected[..., 0])


def test_dense_matrices_hold_the_blocks_on_their_diagonal_and_nothing_else() -> None:
    rho = near_a_homomorphism((2, 2, 3, 1), 0.1)
    matrix = rho(elements(3))
    two, three, one = rho.blocks(elements(3))
    torch.testing.assert_close(matrix[:, 2:4, 2:4], two[:, 1])
    torch.testing.assert_close(matrix[:, 4:7, 4:7], three[:, 0])
    torch.testing.assert_close(matrix[:, 7:, 7:], one[:, 0])
    outside = matrix.clone()
    for start, stop in ((0, 2), (2, 4), (4, 7), (7, 8)):
        outside[:, start:stop, start:stop] = 0
    assert float(outside.detach().abs().max()) == 0
