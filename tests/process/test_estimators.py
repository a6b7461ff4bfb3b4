"""The estimators that stand in for matrices, against the matrices."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symdiff.process.commuting import commutators, haar_null, squared_norm, traceless
from symdiff.process.spectrum import Krylov, block_krylov, rayleigh_ritz
from symdiff.process.traces import sizes
from tests.process.subjects import DOUBLE, draw, rotation

D = 30


def matrix(seed: int = 0, skew: float = 0.5) -> Tensor:
    """Decaying spectrum in a random basis, a mean, and an antisymmetric part."""
    basis, full = rotation(D, seed), draw(D, D, seed=seed + 1)
    symmetric = (basis * 0.7 ** torch.arange(D, dtype=DOUBLE)) @ basis.T
    return symmetric + skew * (full - full.mT) / D + 0.1 * torch.eye(D, dtype=DOUBLE)


def krylov(J: Tensor, n: int, block: int, depth: int, seed: int = 0) -> Krylov:
    return block_krylov(lambda u: u @ J.T, lambda u: u @ J, draw(n, block, D, seed=seed), depth)


def test_the_krylov_basis_is_orthonormal_and_its_ritz_values_bound_the_eigenvalues_from_below() -> None:
    J = matrix()
    space = krylov(J, 5, 3, 4)
    torch.testing.assert_close(space.directions @ space.directions.mT, torch.eye(12, dtype=DOUBLE).expand(5, -1, -1))
    ritz = rayleigh_ritz(space)
    exact = torch.linalg.eigvalsh((J + J.T) / 2).flip(0)
    assert bool((ritz.values <= exact[:12] + 1e-12).all())
    torch.testing.assert_close(ritz.values[:, 0], exact[0].expand(5), rtol=1e-3, atol=0)
    nearest = (ritz.values[..., None] - exact).abs().amin(-1)
    assert bool((nearest <= ritz.residuals + 1e-12).all())
    assert float(ritz.residuals[:, 5].min()) > 1e-4  # the bound is put to a test


def test_the_krylov_space_of_all_directions_is_exact() -> None:
    J = matrix()
    exact = torch.linalg.eigvalsh((J + J.T) / 2).flip(0)
    ritz = rayleigh_ritz(krylov(J, 2, 5, 9))
    torch.testing.assert_close(ritz.values, exact.expand(2, -1))


@pytest.mark.parametrize("J", [torch.zeros(D, D, dtype=DOUBLE), 0.3 * torch.eye(D, dtype=DOUBLE)], ids=["zero", "one"])
def test_spaces_that_are_invariant_at_once_are_filled_up(J: Tensor) -> None:
    space = krylov(J, 3, 4, 3)
    torch.testing.assert_close(space.directions @ space.directions.mT, torch.eye(12, dtype=DOUBLE).expand(3, -1, -1))
    ritz = rayleigh_ritz(space)
    torch.testing.assert_close(ritz.values, J.diagonal()[:12].expand(3, -1))


def test_traces_and_norms_are_without_bias() -> None:
    J, n = matrix(), 4000
    S, K = (J + J.T) / 2, (J - J.T) / 2
    # One space for all, so that what varies is the probes alone.
    space = Krylov(*(part.expand(n, -1, -1) for part in krylov(J, 1, 2, 2)))
    probes = draw(n, 2, D, seed=7)
    found = sizes(space, probes, probes @ J.T, probes @ J)
    expected = {
        "trace": float(J.trace()),
        "trace_square": float(J.trace() ** 2),
        "symmetric": float(S.square().sum()),
        "antisymmetric": float(K.square().sum()),
        "traceless": float(squared_norm(traceless(J, 1e-14))),
    }
    for name, value in expected.items():
        sample = getattr(found, name)
        error = float(sample.std() / n**0.5)
        assert 0 < error < 0.02 * value
        assert abs(float(sample.mean()) - value) < 4 * error


def test_what_the_space_holds_is_not_left_to_chance() -> None:
    basis = rotation(D)
    J = (basis[:, :3] * torch.tensor([3.0, 2.0, 1.0], dtype=DOUBLE)) @ basis[:, :3].T + 0.2 * torch.eye(D, dtype=DOUBLE)
    found = sizes(krylov(J, 4, 3, 2), *(draw(4, 2, D, seed=3) @ M for M in (torch.eye(D, dtype=DOUBLE), J, J)))
    torch.testing.assert_close(found.trace, J.trace().expand(4))
    torch.testing.assert_close(found.symmetric, J.square().sum().expand(4))
    torch.testing.assert_close(found.traceless, squared_norm(traceless(J, 1e-14)).expand(4))
    assert float(found.antisymmetric.abs().max()) < 1e-12


@given(st.integers(2, 9), st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-3, 3))
@settings(max_examples=30)
def test_the_commutator_is_a_share_that_no_rotation_scale_or_shift_changes(
    d: int, seed: int, scale: float, shift: float
) -> None:
    X, Y = draw(2, d, d, seed=seed)
    eye, turn = torch.eye(d, dtype=DOUBLE), rotation(d, seed)

    def c(A: Tensor, B: Tensor) -> float:
        top, bottom = commutators(traceless(A, 1e-14)[None], traceless(B, 1e-14)[None])
        return math.sqrt(float(top) / (2 * float(bottom)))

    value = c(X, Y)
    assert 0 <= value <= 1 + 1e-12
    assert c(turn @ X @ turn.T, turn @ Y @ turn.T) == pytest.approx(value, abs=1e-9)
    assert c(scale * X + shift * eye, Y) == pytest.approx(value, abs=1e-9)
    assert c(Y, X) == pytest.approx(value, abs=1e-12)
    assert c(X, X) < 1e-9


def test_anticommuting_matrices_have_commutator_one() -> None:
    X = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=DOUBLE)
    Y = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=DOUBLE)
    top, bottom = commutators(X[None], Y[None])
    assert float(top) == 2 * float(bottom)


@pytest.mark.parametrize("d", [3, 12])
@pytest.mark.parametrize(("skew_x", "skew_y"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0)])
def test_the_null_is_the_mean_over_random_rotations(d: int, skew_x: float, skew_y: float) -> None:
    def with_share(skew: float, seed: int) -> Tensor:
        full = draw(d, d, seed=seed)
        S, K = traceless((full + full.mT) / 2, 1e-14), (full - full.mT) / 2
        return math.sqrt(1 - skew) * S / S.norm() + math.sqrt(skew) * K / K.norm()

    X, Y = with_share(skew_x, 0), with_share(skew_y, 1)
    turns = torch.linalg.qr(draw(20000, d, d, seed=2))
    # Haar measure: the signs of R make the factor Q unique (Mezzadri 2007).
    turn = turns[0] * turns[1].diagonal(dim1=-2, dim2=-1).sign()[:, None]
    Z = turn @ Y @ turn.mT
    top = squared_norm(X @ Z - Z @ X)
    bottom = 2 * (squared_norm(X @ Z) + squared_norm(Z @ X))
    assert math.sqrt(float(top.mean() / bottom.mean())) == pytest.approx(haar_null(d, skew_x, skew_y), rel=0.01)
