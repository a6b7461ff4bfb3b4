"""Exponentials, logarithms and distances of many matrices at once, against geomstats, scipy and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symdiff.errors import ConfigError, CutLocusError, NonFiniteError
from symdiff_geomstats.manifolds import KINDS, Manifold, Rotations, manifold
from symdiff_geomstats.manifolds.rotations import angles, rotation_exp

NAMES = tuple(KINDS)
OF_GEOMSTATS = ("so", "se", "triangular", "rotations-scales")
every = pytest.mark.parametrize("name", NAMES)
sizes = pytest.mark.parametrize("n", [2, 3, 4])


def algebra(m: Manifold, count: int, length: float, seed: int = 0) -> Tensor:
    """Elements of the Lie algebra with norms of coordinates up to `length`."""
    generator = torch.Generator().manual_seed(seed)
    c = torch.randn(count, m.dimension, generator=generator, dtype=torch.float64)
    c *= length * torch.rand(count, 1, generator=generator, dtype=torch.float64) / c.norm(dim=1, keepdim=True)
    return torch.tensordot(c, m.algebra, dims=1)


@every
@sizes
def test_exp_is_the_matrix_exponential_and_lies_on_the_manifold(name: str, n: int) -> None:
    m = manifold(name, n)
    X = algebra(m, 50, 3.0)
    A = m.exp(X)
    expected = torch.from_numpy(np.stack([scipy.linalg.expm(x) for x in X.numpy()]))
    torch.testing.assert_close(A, expected, rtol=1e-11, atol=1e-11)
    assert float(m.defect(A).max()) < 1e-13
    assert float(m.defect(m.exp(X.float())).max()) < 2e-6


@every
@sizes
@pytest.mark.parametrize("length", [2.5, 1e-3, 1e-9, 0.0])
def test_log_inverts_exp_at_every_size_and_in_float32_to_its_rounding(name: str, n: int, length: float) -> None:
    m = manifold(name, n)
    X = algebra(m, 40, length)
    torch.testing.assert_close(m.log(m.exp(X)), X, rtol=0, atol=1e-13)
    single = m.log(m.exp(X.float()))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, X.float(), rtol=0, atol=2e-5)


@every
def test_matrices_may_come_with_any_leading_dimensions_and_without_any_matrix(name: str) -> None:
    m = manifold(name, 3)
    A = m.exp(algebra(m, 12, 1.0))
    torch.testing.assert_close(m.log(A.unflatten(0, (3, 4))).flatten(0, 1), m.log(A))
    assert m.exp(A.new_zeros(0, m.size, m.size)).shape == (0, m.size, m.size)
    torch.testing.assert_close(m.inverse(A) @ A, m.identity().expand_as(A), rtol=0, atol=1e-12)


@every
@sizes
def test_the_algebra_is_closed_under_brackets_and_of_the_dimension_geomstats_says(name: str, n: int) -> None:
    from symdiff_geomstats import library

    m = manifold(name, n)
    basis = m.algebra
    brackets = (basis[:, None] @ basis - basis @ basis[:, None]).flatten(0, 1)
    flat = basis.flatten(1)
    coordinates = torch.linalg.lstsq(flat.T, brackets.flatten(1).T).solution
    torch.testing.assert_close((coordinates.T @ flat), brackets.flatten(1), rtol=0, atol=1e-12)
    space = library.space(name, n)
    theirs = sum(part.dim for part in space) if isinstance(space, tuple) else space.dim
    assert m.dimension == theirs


@pytest.mark.parametrize("name", OF_GEOMSTATS)
@sizes
def test_distances_are_those_of_geomstats(name: str, n: int) -> None:
    m = manifold(name, n)
    A, B = m.exp(algebra(m, 30, 2.0)), m.exp(algebra(m, 30, 2.0, seed=1))
    theirs = m.reference_distance(A, B)
    assert theirs is not None
    torch.testing.assert_close(m.distance(A, B), theirs, rtol=1e-9, atol=1e-9)


@every
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_distances_are_symmetric_left_invariant_and_zero_only_at_equality(name: str, seed: int) -> None:
    m = manifold(name, 3)
    A, B, K = (m.exp(algebra(m, 4, 1.2, seed + i)) for i in range(3))
    close = {"rtol": 1e-7, "atol": 1e-7}
    torch.testing.assert_close(m.distance(A, B), m.distance(B, A), **close)
    torch.testing.assert_close(m.distance(K @ A, K @ B), m.distance(A, B), **close)
    assert float(m.distance(A, A).max()) < 1e-7
    assert float(m.distance(A, B).min()) > 1e-3


@every
@sizes
def test_geodesics_from_the_identity_have_the_length_of_their_velocity(name: str, n: int) -> None:
    m = manifold(name, n)
    generator = torch.Generator().manual_seed(0)
    c = torch.randn(20, m.dimension, generator=generator, dtype=torch.float64)
    c = 1.5 * c / c.norm(dim=1, keepdim=True)
    A = m.geodesic_exp(m.velocity(c))
    torch.testing.assert_close(m.coordinates(m.geodesic_log(A)), c, rtol=0, atol=1e-11)
    for t in (0.25, 0.5):
        torch.testing.assert_close(
            m.length(m.geodesic_exp(m.velocity(t * c))), torch.full((20,), 1.5 * t, dtype=torch.float64)
        )
        rest = m.distance(m.geodesic_exp(m.velocity(t * c)), A)
        torch.testing.assert_close(rest, torch.full((20,), 1.5 * (1 - t), dtype=torch.float64))


@every
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("length", [1.0, 0.0])
def test_exp_and_log_have_the_gradients_of_finite_differences_at_the_identity_too(
    name: str, n: int, length: float
) -> None:
    m = manifold(name, n)
    # Along the algebra: what lies across it is no input these maps are for.
    basis, c = m.algebra, torch.linalg.lstsq(m.algebra.flatten(1).T, algebra(m, 2, length).flatten(1).T).solution.T
    c = c.contiguous().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: m.exp(torch.tensordot(c, basis, dims=1)), c, atol=1e-6)
    assert torch.autograd.gradcheck(lambda c: m.log(m.exp(torch.tensordot(c, basis, dims=1))), c, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_half_turn_has_a_distance_but_no_logarithm(n: int) -> None:
    m = Rotations(n)
    X = math.pi * m.algebra[:1]
    R = m.exp(X)
    torch.testing.assert_close(m.length(R), torch.tensor([math.pi], dtype=torch.float64), rtol=0, atol=1e-7)
    with pytest.raises(CutLocusError, match="two logarithms") as caught:
        m.log(R)
    assert "half turn" in caught.value.hint
    near = m.exp((1 - 1e-5) * X)
    torch.testing.assert_close(m.log(near), (1 - 1e-5) * X, rtol=0, atol=1e-9)
    with pytest.raises(CutLocusError):
        m.log(near.float())  # float32 no longer knows on which side


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_negative_eigenvalue_has_no_logarithm_in_gl(n: int) -> None:
    A = torch.diag(torch.tensor([-2.0, -3.0] + [1.0] * (n - 2), dtype=torch.float64))
    with pytest.raises(CutLocusError, match="no real logarithm"):
        manifold("gl+", n).log(A[None])


def test_a_triangular_matrix_whose_scale_vanished_is_refused() -> None:
    m = manifold("triangular", 2)
    A = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    for of in (m.log, m.length, m.geodesic_log):
        with pytest.raises(CutLocusError, match="on its diagonal"):
            of(A)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_large_rotations_stay_orthogonal_and_turn_by_what_is_left_of_whole_turns(n: int) -> None:
    m = Rotations(n)
    X = 0.7 * m.algebra[:1]
    turns = 2 * math.pi * 50 * m.algebra[:1]
    torch.testing.assert_close(m.exp(X + turns), m.exp(X), rtol=0, atol=1e-10)
    assert float(m.defect(m.exp((X + turns).float())).max()) < 1e-5


def test_what_a_dtype_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(NonFiniteError, match=r"GeneralLinear\(2\).*entries up to 100 .*float32"):
        manifold("gl+", 2).exp(100 * torch.eye(2)[None])
    assert bool(manifold("gl+", 2).exp(100 * torch.eye(2, dtype=torch.float64)[None]).isfinite().all())
    with pytest.raises(NonFiniteError, match=r"rotation by 1e\+06"):
        rotation_exp(1e6 * Rotations(4).algebra[:1].float())
    with pytest.raises(NonFiniteError, match="not finite"):
        manifold("so", 3).exp(torch.full((1, 3, 3), float("nan")))


def test_angles_of_several_planes_are_found_at_once() -> None:
    m = Rotations(5)
    planes = torch.zeros(5, 5, dtype=torch.float64)
    for (i, j), w in {(0, 3): 3.0, (1, 4): 0.25}.items():
        planes[j, i], planes[i, j] = w, -w
    turned = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    found = angles(m.exp(turned @ planes @ turned.T))
    torch.testing.assert_close(found, torch.tensor([3.0, 0.25], dtype=torch.float64), rtol=0, atol=1e-12)


@every
def test_an_n_that_is_too_small_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least 2, not 1"):
        manifold(name, 1)


def test_what_lies_off_a_manifold_is_measured() -> None:
    assert float(manifold("so", 2).defect(torch.diag(torch.tensor([1.0, -1.0])))) == 2
    assert float(manifold("so", 2).defect(1.1 * torch.eye(2))) == pytest.approx(0.21)
    assert float(manifold("se", 2).defect(torch.eye(3) + torch.diag(torch.tensor([0.0, 0, 0.5])))) == 0.5
    assert float(manifold("triangular", 2).defect(torch.tensor([[1.0, 0.3], [0, 1]]))) == pytest.approx(0.3)
    assert float(manifold("gl+", 2).defect(torch.diag(torch.tensor([1.0, -2.0])))) == 2
    assert float(manifold("rotations-scales", 2).defect(3 * torch.eye(2))) < 1e-6


@pytest.mark.gpu
@every
@pytest.mark.parametrize("n", [2, 3, 4])
def test_tensors_stay_on_the_gpu_and_agree_with_the_cpu(name: str, n: int) -> None:
    m = manifold(name, n)
    X = algebra(m, 100, 1.5)
    there = m.exp(X.cuda())
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), m.exp(X), rtol=1e-10, atol=1e-10)
    for of in (m.log, m.geodesic_log, m.length, m.inverse, m.defect):
        found = of(there)
        assert found.is_cuda
        torch.testing.assert_close(found.cpu(), of(there.cpu()), rtol=1e-8, atol=1e-8)
