"""Figures against factors that are given with the observations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from symdiff.decomposition import decompose
from symdiff.diagnostics.factors import Known, dispersion, not_angles
from symdiff.diagnostics.lsbd import lsbd
from symdiff.structure.factors import ari, held_out_r2, independence, r2_of_blocks


def known(latents_of, n: int = 600, factors: int = 2) -> Known:
    generator = torch.Generator().manual_seed(0)
    angles = 2 * math.pi * torch.rand(n, factors, generator=generator, dtype=torch.float64)
    return Known(latents_of(angles), angles, torch.arange(n) // 10)


def waves(*angles: Tensor) -> Tensor:
    return torch.cat([torch.stack([angle.cos(), angle.sin()], -1) for angle in angles], -1)


def planes(angles: Tensor) -> Tensor:
    return waves(*angles.T)


def mixed(angles: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    size = 2 * angles.shape[1]
    return planes(angles) @ torch.randn(size, size, generator=generator, dtype=torch.float64)


def entangled(angles: Tensor) -> Tensor:
    return waves(angles[:, 0] + angles[:, 1], angles[:, 0] - angles[:, 1])


def mean_d(found: Known) -> float:
    values = [dispersion(found, i)[0] for i in range(found.factors.shape[1])]
    return sum(values) / len(values)


@pytest.mark.parametrize("factors", [1, 2, 3])
@pytest.mark.parametrize("latents", [planes, mixed])
def test_planes_of_their_own_are_disentangled_in_any_basis(latents, factors):
    assert mean_d(known(latents, factors=factors)) < 0.01


def test_planes_turned_by_both_factors_are_not():
    assert mean_d(known(entangled)) > 0.97


def test_a_factor_may_turn_its_plane_twice():
    found = known(lambda angles: waves(2 * angles[:, 0], angles[:, 1]))
    value, weight = dispersion(found, 0)
    assert value < 0.01
    assert abs(weight) == 2


def test_latents_that_do_not_turn_with_a_factor_are_told():
    value, weight = dispersion(known(lambda angles: waves(angles[:, 1])), 0)
    assert weight == 0
    assert value > 0.99


def test_on_a_grid_it_is_the_figure_of_the_grid():
    side = 2 * math.pi * torch.arange(16, dtype=torch.float64) / 16
    angles = torch.cartesian_prod(side, side)
    noise = 0.2 * torch.randn(256, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    latents = planes(angles) + noise
    of_grid = lsbd(latents.reshape(1, 16, 16, 4)).value
    assert mean_d(Known(latents, angles, torch.arange(256))) == pytest.approx(of_grid, abs=0.02)
    assert 0.05 < of_grid < 0.1


def test_numbers_that_do_not_go_round_are_no_angles():
    angles = known(planes).factors
    assert not_angles(angles) is None
    assert not_angles(angles + 100) is None
    assert not_angles(torch.stack([angles[:, 0], angles[:, 1] / 4], 1)) == "factor number 2 does not go round a circle"


def blocks_of(*sizes: int):
    """Blocks of these sizes along the axes: rotations at angles of their own."""
    matrices = []
    for k in range(12):
        generators = []
        for i, size in enumerate(sizes):
            skew = torch.randn(size, size, generator=torch.Generator().manual_seed(100 * k + i), dtype=torch.float64)
            generators.append(torch.linalg.matrix_exp(skew - skew.T))
        matrices.append(torch.block_diag(*generators))
    found = decompose(torch.stack(matrices), 1e-8, resamples=0)
    return torch.as_tensor(found.basis), found.blocks


@pytest.mark.parametrize(
    ("sizes", "latents", "index", "modular"), [((2, 2), planes, 1.0, 1.0), ((4,), planes, 0.0, 0.0)]
)
def test_the_rand_index_and_the_modularity_compare_blocks_with_factors(sizes, latents, index, modular):
    found = known(latents)
    basis, blocks = blocks_of(*sizes)
    coordinates = torch.linalg.solve(basis, found.latents.T).T
    assert ari(coordinates, found, blocks) == pytest.approx(index)
    assert independence(r2_of_blocks(coordinates, found, blocks)) == pytest.approx(modular, abs=0.01)


def test_blocks_across_the_factors_go_with_none():
    found = known(lambda angles: planes(angles)[:, [0, 2, 1, 3]])
    basis, blocks = blocks_of(2, 2)
    coordinates = torch.linalg.solve(basis, found.latents.T).T
    assert ari(coordinates, found, blocks) <= 0
    assert independence(r2_of_blocks(coordinates, found, blocks)) < 0.5


def test_a_regression_is_judged_on_other_sequences():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 60, 25, generator=generator, dtype=torch.float64)
    assert held_out_r2(x, y, torch.arange(60)) < 0
    assert held_out_r2(x, x @ y[:25], torch.arange(60)) > 0.999


def test_modularity_is_that_of_the_formula():
    assert independence(torch.tensor([[0.8, 0.0], [0.4, 0.5]])) == pytest.approx((0.75 + 1) / 2)
    assert independence(torch.tensor([[0.8, 0.1]])) is None
    assert independence(torch.zeros(2, 2)) is None
