"""Symmetric matrices: their commutant is closed under transposition though no basis makes them orthogonal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symdiff.decomposition import decompose


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(m: int, seed: int = 7) -> Tensor:
    return torch.linalg.qr(normal(m, m, seed=seed)).Q


def symmetric(x: Tensor) -> Tensor:
    return (x + x.mT) / 2


def hidden(blocks: list[Tensor], seed: int = 7) -> Tensor:
    """Block-diagonal matrices near the identity, in a random orthonormal basis."""
    whole = torch.stack([torch.block_diag(*parts) for parts in zip(*blocks, strict=True)])
    q = rotation(whole.shape[-1], seed)
    return torch.eye(len(q), dtype=torch.float64) + 0.1 * q @ whole @ q.mT


def hermitian(count: int, d: int, seed: int) -> Tensor:
    """Complex Hermitian matrices as real ones of twice the size: complex type."""
    x = torch.complex(normal(count, d, d, seed=seed), normal(count, d, d, seed=seed + 1))
    x = (x + x.mH) / 2
    return torch.cat([torch.cat([x.real, -x.imag], 2), torch.cat([x.imag, x.real], 2)], 1)


def test_commuting_matrices_split_into_lines_along_their_common_axes() -> None:
    q, values = rotation(24), normal(12, 24, seed=1)
    found = decompose(torch.eye(24, dtype=torch.float64) + 0.1 * (q * values[:, None]) @ q.mT, resamples=2)
    assert found.path == "self-adjoint"
    assert found.structure == ((1, 1, "R"),) * 24
    overlap = (torch.as_tensor(found.basis).mT @ q).abs()
    torch.testing.assert_close(overlap.max(dim=1).values, torch.ones(24, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8])
def test_lines_are_told_apart_by_eigenvalues_however_close_above_the_noise(gap: float) -> None:
    q, values = rotation(24), normal(12, 24, seed=2)
    values[:, 1] = values[:, 0] + gap * normal(12, seed=3)
    matrices = torch.eye(24, dtype=torch.float64) + 0.1 * (q * values[:, None]) @ q.mT
    assert decompose(matrices, 0.0, resamples=0).structure == ((1, 1, "R"),) * 24
    values[:, 1] = values[:, 0]
    matrices = torch.eye(24, dtype=torch.float64) + 0.1 * (q * values[:, None]) @ q.mT
    assert decompose(matrices, 0.0, resamples=0).structure == (*((1, 1, "R"),) * 22, (1, 2, "R"))


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_blocks_copies_and_types_are_found_at_their_noise(noise: float) -> None:
    copied = symmetric(normal(40, 4, 4, seed=11))
    blocks = [symmetric(normal(40, 6, 6, seed=10)), copied, copied, hermitian(40, 3, 20), normal(40, 1, 1, seed=12)]
    exact = hidden(blocks)
    given = exact + noise * normal(*exact.shape, seed=30) / len(exact[0]) ** 0.5
    found = decompose(given, noise, resamples=4)
    assert found.path == "self-adjoint"
    assert found.structure == ((1, 1, "R"), (4, 2, "R"), (6, 1, "C"), (6, 1, "R"))
    assert found.commutant_dim == 1 + 4 + 2 + 1
    assert found.stability == 1.0


def test_generic_symmetric_matrices_are_irreducible() -> None:
    found = decompose(hidden([symmetric(normal(20, 30, 30, seed=4))]), resamples=0)
    assert (found.path, found.verdict) == ("self-adjoint", "irreducible")


def test_circulant_symmetric_matrices_have_the_blocks_of_the_fourier_transform() -> None:
    """Frequencies k and -k have the same eigenvalue: two copies of a line each, but for 0 and the highest."""
    first = normal(10, 16, seed=5)
    rows = torch.stack([first.roll(shift, 1) for shift in range(16)], dim=1)
    found = decompose(torch.eye(16, dtype=torch.float64) + 0.05 * symmetric(rows), resamples=2)
    assert found.structure == (*((1, 1, "R"),) * 2, *((1, 2, "R"),) * 7)


def test_matrices_that_are_not_symmetric_are_not_taken_for_it() -> None:
    found = decompose(torch.eye(6, dtype=torch.float64) + 0.1 * normal(20, 6, 6, seed=6), 0.0, resamples=0)
    assert found.path == "general"
    assert found.verdict == "irreducible"
