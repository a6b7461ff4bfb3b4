"""The evidence a verdict rests on: residuals over noise, commuting elements, noise levels, projectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from symdiff.decomposition.commutant import Noise, collect, full_space, search
from symdiff.decomposition.cuts import Layout, best_binary, polished
from symdiff.decomposition.form import unitarise
from symdiff.decomposition.general import spectral_projector
from symdiff.decomposition.level import commutator_gap
from symdiff.decomposition.sylvester import (
    Part,
    adjoint,
    commutators,
    descend,
    noise_share,
    residual_share,
    spectrum,
)
from tests.decomposition import subjects

RNG = np.random.default_rng


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def oblique(d: int, m: int, seed: int, matrices: Tensor) -> Part:
    """A part spanned by the first d columns of a random basis of m dimensions."""
    basis = randn(m, m, seed=seed)
    return Part.of(matrices, basis[:, :d], torch.linalg.inv(basis)[:d])


def test_noise_leaves_of_an_intertwiner_what_is_expected_of_it() -> None:
    noise = randn(40000, 5, 5, seed=1)
    left, right = oblique(2, 5, 2, noise), oblique(3, 5, 3, noise)
    for one, other in ((left, right), (left, left)):
        x = randn(one.dim, other.dim, seed=4)
        measured = float(residual_share(one.matrices, other.matrices, x))
        assert measured == pytest.approx(float(noise_share(one, other, x)), rel=0.03)


def test_the_adjoint_is_the_adjoint() -> None:
    a, b, x, r = randn(4, 3, 3, seed=1), randn(4, 5, 5, seed=2), randn(3, 5, seed=3), randn(4, 3, 5, seed=4)
    assert float((commutators(a, b, x) * r).sum()) == pytest.approx(float((x * adjoint(a, b, r)).sum()))


def test_pure_noise_between_two_blocks_reads_as_one() -> None:
    sigma, m = 0.3, 12
    basis = randn(m, m, seed=1)
    labels = torch.tensor([0] * 5 + [1] * 7)
    layout = Layout(Part.of(sigma * randn(4000, m, m, seed=2) / m**0.5, basis, torch.linalg.inv(basis)), labels)
    assert float(layout.residuals(sigma)[0, 1]) == pytest.approx(1, rel=0.05)


def test_descent_takes_out_what_does_not_commute_and_nothing_else() -> None:
    matrices = torch.from_numpy(subjects.s4_comparison(RNG(0)).matrices)
    m = matrices.shape[-1]
    x = randn(m, m, seed=1)
    found = spectrum(matrices, matrices, full_space(m, m, matrices))
    commuting = found.directions[found.residuals < 1e-20]
    exact = torch.einsum("n,nij->ij", (commuting * x).sum((1, 2)), commuting)
    left = descend(matrices, matrices, x, target=1e-26, give_up=1e-12)
    assert float((left.x - exact).norm() / exact.norm()) < 1e-9
    # The smallest Ritz value is that of the nearest direction that does not commute.
    assert left.smallest == pytest.approx(float(found.residuals[len(commuting)]), rel=1e-2)


def test_one_start_after_another_finds_the_whole_commutant_and_stops() -> None:
    subject = subjects.s4_comparison(RNG(0)).with_noise(1e-3, RNG(1))
    matrices = torch.from_numpy(subject.matrices)
    m = matrices.shape[-1]
    whole = Part.of(matrices, torch.eye(m, dtype=torch.float64), torch.eye(m, dtype=torch.float64))
    found = collect(whole, whole, Noise(1e-3), generator(), limit=40, sweep=False)
    assert found.complete
    assert len(found.found) + 1 == 4 + 1 + 9 + 4
    assert len(search(whole, whole, full_space(m, m, matrices), Noise(1e-3)).found) == 4 + 1 + 9 + 4


@pytest.mark.parametrize("sigma", [1e-8, 1e-3, 3e-2])
@pytest.mark.parametrize("condition", [1.0, 5.0])
def test_the_noise_is_read_from_the_orthogonality_defect(sigma: float, condition: float) -> None:
    subject = subjects.s4_comparison(RNG(0), count=12)
    subject = subject.under_similarity(RNG(1)) if condition > 1 else subject.in_random_orthogonal_basis(RNG(1))
    matrices = torch.from_numpy(subject.with_noise(sigma, RNG(2)).matrices)
    found = unitarise(matrices, None, 1e-12, generator())
    assert found is not None
    assert found.fitted == (condition > 1)
    assert found.noise == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("sigma", [1e-6, 1e-3])
def test_the_noise_is_read_from_a_gap_where_no_basis_is_orthogonal(sigma: float) -> None:
    subject = subjects.mixed(RNG(0)).under_similarity(RNG(1)).with_noise(sigma, RNG(2))
    matrices = torch.from_numpy(subject.matrices)
    eye = torch.eye(matrices.shape[-1], dtype=torch.float64)
    assert unitarise(matrices, None, 1e-12, generator()) is None
    assert commutator_gap(Part(eye, eye, matrices), 1e-12, generator()) == pytest.approx(sigma, rel=0.5)


def test_matrices_near_the_identity_are_not_taken_for_noise() -> None:
    shears = torch.eye(2, dtype=torch.float64).repeat(6, 1, 1)
    shears[:, 0, 1] = 1e-3 * randn(6)
    assert unitarise(shears, None, 1e-12, generator()) is None


def test_a_spectral_projector_is_the_one_of_the_eigenvectors() -> None:
    x = randn(9, 9, seed=3)
    values, vectors = torch.linalg.eig(x)
    shift = float(values.real.sort().values[4:6].mean())
    chosen = torch.diag((values.real > shift).to(vectors.dtype))
    exact = (vectors @ chosen @ torch.linalg.inv(vectors)).real
    found = spectral_projector(x, shift)
    assert found is not None
    assert torch.allclose(found, exact, atol=1e-9)


def test_a_projector_too_oblique_to_be_known_is_none() -> None:
    assert spectral_projector(torch.tensor([[0.0, 1e6], [0.0, 1.0]], dtype=torch.float64), 0.5) is None


def test_polishing_brings_a_disturbed_cut_down_to_noise() -> None:
    sigma, m = 1e-4, 8
    rng = np.random.default_rng(0)
    blocks = np.zeros((6, m, m))
    for k in range(6):
        blocks[k, :3, :3] = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        blocks[k, 3:, 3:] = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    matrices = torch.from_numpy(blocks) + sigma * randn(6, m, m, seed=5) / m**0.5
    turn = torch.matrix_exp(0.02 * (randn(m, m, seed=6) - randn(m, m, seed=6).mT))
    layout = Layout(Part.of(matrices, turn, turn.mT.contiguous()), torch.tensor([0] * 3 + [1] * 5))
    assert float(layout.residuals(sigma).max()) > 100
    refined = polished(layout, sigma, orthogonal=True)
    assert float(refined.residuals(sigma).max()) < 2
    columns = refined.part.columns
    assert torch.allclose(columns.mT @ columns, torch.eye(m, dtype=torch.float64), atol=1e-12)


def test_the_best_binary_cut_is_where_the_blocks_end() -> None:
    blocks = torch.zeros(3, 7, 7, dtype=torch.float64)
    blocks[:, :4, :4], blocks[:, 4:, 4:] = randn(3, 4, 4, seed=1), randn(3, 3, 3, seed=2)
    eye = torch.eye(7, dtype=torch.float64)
    assert best_binary(Part(eye, eye, blocks), 1e-3).labels.tolist() == [0] * 4 + [1] * 3
