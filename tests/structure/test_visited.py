"""How latents spread over blocks, and the directions that show what a block does."""

from __future__ import annotations

import pytest
import torch

from symdiff.decomposition import Block
from symdiff.structure.visited import directions, visits

BASIS = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q


def block(start: int, stop: int, flag: tuple[int, ...] | None = None) -> Block:
    return Block(stop - start, 1, "R", "irreducible", flag, None, ((start, stop),))


BLOCKS = (block(0, 1), block(1, 3), block(3, 6, flag=(2, 3)))


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    """Variances 0 (never reached); 1, 1; 9, 4 and a constant 1."""
    numbers = torch.randn(4000, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scale = torch.tensor([0.0, 1, 1, 3, 2, 0], dtype=torch.float64)
    constant = torch.tensor([0.0, 0, 0, 0, 0, 1], dtype=torch.float64)
    return (numbers * scale + constant) @ BASIS.T


def test_shares_are_of_the_variance_and_a_constant_counts_as_reached(latents: torch.Tensor) -> None:
    found = visits(latents, BASIS, BLOCKS)
    assert [visit.share for visit in found] == pytest.approx([0, 2 / 15, 13 / 15], abs=0.02)
    assert [visit.dimensions for visit in found] == [0, 2, 3]


def test_every_block_that_moves_is_shown_before_any_is_shown_twice(latents: torch.Tensor) -> None:
    assert [direction.block for direction in directions(latents, BASIS, BLOCKS, most=2)] == [1, 2]
    every = directions(latents, BASIS, BLOCKS)
    assert [(direction.block, direction.layer) for direction in every] == [(1, 0), (1, 0), (2, 0), (2, 0)]


def test_a_direction_stays_in_its_block_and_layer_and_is_one_standard_deviation_long(latents: torch.Tensor) -> None:
    every = directions(latents, BASIS, BLOCKS)
    for direction in every:
        start, stop = [(1, 3), (3, 5)][direction.block - 1]
        coordinates = BASIS.T @ direction.vector
        assert float(coordinates[start:stop].norm()) == pytest.approx(float(direction.vector.norm()))
    assert [float(direction.vector.norm()) for direction in every[2:]] == pytest.approx([3, 2], rel=0.05)


def test_latents_that_are_all_zero_visit_nothing() -> None:
    found = visits(torch.zeros(10, 6, dtype=torch.float64), BASIS, BLOCKS)
    assert [visit.dimensions for visit in found] == [0, 0, 0]
    assert directions(torch.zeros(10, 6, dtype=torch.float64), BASIS, BLOCKS) == []
