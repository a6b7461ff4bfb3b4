"""The gauge makes the second moment of the latents the identity, on their span and nowhere else."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diagnostics.block_norms import block_norms
from symdiff.diagnostics.gauge import Basis, gauge_of


def latents(rank: int, m: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coordinates = torch.randn(200, rank, generator=generator, dtype=torch.float64) + 0.5
    basis, _ = torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=torch.float64))
    return coordinates @ basis[:rank]


@settings(max_examples=25)
@given(rank=st.integers(1, 5), extra=st.integers(0, 3), seed=st.integers(0, 10**6))
def test_whitened_latents_have_second_moment_identity_on_their_span(rank: int, extra: int, seed: int) -> None:
    h = latents(rank, rank + extra, seed)
    gauge = gauge_of(h)
    white = h @ gauge.whiten.T
    assert gauge.dimension == rank
    torch.testing.assert_close(white.T @ white / len(h), torch.eye(rank, dtype=h.dtype), atol=1e-6, rtol=0)
    torch.testing.assert_close(white @ gauge.unwhiten.T, h, atol=1e-8 * float(h.abs().max()), rtol=0)


@settings(max_examples=25)
@given(m=st.integers(2, 5), seed=st.integers(0, 10**6))
def test_whitened_energy_does_not_depend_on_the_basis_of_the_latents(m: int, seed: int) -> None:
    h = latents(m, m, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    rotation, _ = torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=h.dtype))
    change = torch.logspace(-1, 1, m, dtype=h.dtype)[:, None] * rotation
    matrix = torch.randn(4, m, m, generator=generator, dtype=h.dtype)
    moved = change @ matrix @ torch.linalg.inv(change)
    torch.testing.assert_close(gauge_of(h @ change.T).energy(moved), gauge_of(h).energy(matrix), rtol=1e-5, atol=0)


def test_the_constant_coordinates_of_separate_affine_blocks_count_once() -> None:
    linear = torch.randn(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = torch.stack([linear, torch.ones_like(linear)], dim=-1).flatten(1)
    assert h.shape[1] == 6
    assert gauge_of(h).dimension == 4


def test_the_condition_number_is_that_of_the_latents() -> None:
    h = torch.eye(3, dtype=torch.float64).repeat(10, 1) * torch.tensor([4.0, 1.0, 0.1], dtype=torch.float64)
    assert gauge_of(h).condition == pytest.approx(40)


def test_leakage_is_what_leaves_the_span() -> None:
    h = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = torch.cat([h, torch.zeros(50, 1, dtype=h.dtype)], dim=1)
    outwards = torch.zeros(3, 3, dtype=h.dtype)
    outwards[0, 0] = outwards[2, 1] = 1
    inside, out = torch.eye(3, dtype=h.dtype), outwards
    gauge = gauge_of(h)
    outside, everything = gauge.leakage(torch.stack([inside, out]))
    assert float(outside[0]) == pytest.approx(0, abs=1e-20)
    assert float(outside[1]) == pytest.approx(float(h[:, 1].square().mean()))
    assert float(everything[1]) == pytest.approx(float(h.square().sum(1).mean()))


def test_weighted_energy_is_what_the_latents_feel() -> None:
    h = latents(4, 4, 3)
    matrix = torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=h.dtype)
    expected = float((h @ matrix.T).square().sum(1).mean())
    assert float(gauge_of(h).energy(matrix, "weighted")) == pytest.approx(expected)


def test_latents_that_are_all_zero_still_have_a_gauge() -> None:
    gauge = gauge_of(torch.zeros(10, 3, dtype=torch.float64))
    assert gauge.dimension == 1
    assert float(gauge.energy(torch.zeros(3, 3, dtype=torch.float64))) == 0


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=5).map(tuple),
    basis=st.sampled_from(get_args(Basis)),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=25)
def test_norms_of_block_diagonal_matrices_are_those_of_the_gauge(
    sizes: tuple[int, ...], basis: Basis, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    m, draw = sum(sizes), {"dtype": torch.float64, "generator": generator}
    gauge = gauge_of(torch.randn(max(m - 1, 2), m, **draw) * torch.logspace(0, -3, m, dtype=torch.float64))
    blocks = [torch.randn(7, size, size, **draw) for size in sizes]
    matrix = torch.stack([torch.block_diag(*of_one) for of_one in zip(*blocks, strict=True)])
    found = block_norms(gauge, basis, sizes)(matrix)
    torch.testing.assert_close(found, gauge.energy(matrix, basis), rtol=1e-10, atol=0)
