"""The group of affine elements: laws on random elements, against dense matrices, and at its edges."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diffusion import affine
from symdiff.errors import GroupElementError, RefusedError

DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


@st.composite
def elements(draw: st.DrawFn, count: int, positive: bool = False) -> list[Tensor]:
    """Float64 elements of one dimension d <= 64, with a between 1/20 and 20 (of either sign unless `positive`)."""
    d = draw(st.integers(1, 64))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    made = []
    for _ in range(count):
        g = torch.randn(3, d + 1, generator=generator, dtype=torch.float64)
        scale = draw(st.floats(-3, 3))
        g[:, 0] = math.exp(scale) * (1 if positive else draw(st.sampled_from([-1, 1])))
        made.append(g)
    return made


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@given(elements(3))
def test_composition_is_associative(gs: list[Tensor]) -> None:
    g, h, k = gs
    close(affine.compose(affine.compose(g, h), k), affine.compose(g, affine.compose(h, k)))


@given(elements(1))
def test_the_identity_changes_nothing(gs: list[Tensor]) -> None:
    e = affine.identity(gs[0].shape[-1] - 1, dtype=torch.float64)
    close(affine.compose(e, gs[0]), gs[0], 0)
    close(affine.compose(gs[0], e), gs[0], 0)


@given(elements(1))
def test_the_inverse_undoes_from_either_side(gs: list[Tensor]) -> None:
    e = affine.identity(gs[0].shape[-1] - 1, dtype=torch.float64).expand_as(gs[0])
    close(affine.compose(affine.inverse(gs[0]), gs[0]), e)
    close(affine.compose(gs[0], affine.inverse(gs[0])), e)


@given(elements(2))
def test_acting_with_a_product_is_acting_twice(gs: list[Tensor]) -> None:
    g, h = gs
    x = torch.ones(3, g.shape[-1] - 1, dtype=torch.float64)
    close(affine.act(affine.compose(g, h), x), affine.act(g, affine.act(h, x)))


@given(elements(2))
def test_structured_operations_agree_with_dense_matrices(gs: list[Tensor]) -> None:
    g, h = gs
    dense_g, dense_h = affine.to_matrix(g), affine.to_matrix(h)
    close(affine.to_matrix(affine.compose(g, h)), dense_g @ dense_h)
    close(affine.to_matrix(affine.inverse(g)), torch.linalg.inv(dense_g))
    x = torch.linspace(-1, 1, 3 * (g.shape[-1] - 1), dtype=torch.float64).reshape(3, -1)
    augmented = torch.cat([x, torch.ones(3, 1, dtype=torch.float64)], dim=1)
    close(affine.act(g, x), (dense_g @ augmented[:, :, None])[:, :-1, 0])


@given(elements(2, positive=True))
def test_log_exp_and_bracket_agree_with_dense_matrices(gs: list[Tensor]) -> None:
    X, Y = (affine.log(g) for g in gs)

    def algebra(Z: Tensor) -> Tensor:
        matrix = affine.to_matrix(Z)
        matrix[..., -1, -1] = 0
        return matrix

    close(torch.linalg.matrix_exp(algebra(X)), affine.to_matrix(gs[0]), 1e-9)
    close(algebra(affine.bracket(X, Y)), algebra(X) @ algebra(Y) - algebra(Y) @ algebra(X))


@given(elements(1, positive=True))
def test_exp_and_log_are_inverse(gs: list[Tensor]) -> None:
    close(affine.exp(affine.log(gs[0])), gs[0])
    close(affine.log(affine.exp(gs[0])), gs[0], 1e-9)


@given(elements(3))
def test_the_bracket_is_bilinear_antisymmetric_and_satisfies_jacobi(Xs: list[Tensor]) -> None:
    X, Y, Z = Xs
    close(affine.bracket(X, Y), -affine.bracket(Y, X), 0)
    close(affine.bracket(X + 2 * Y, Z), affine.bracket(X, Z) + 2 * affine.bracket(Y, Z))
    cyclic = sum(affine.bracket(P, affine.bracket(Q, R)) for P, Q, R in ((X, Y, Z), (Y, Z, X), (Z, X, Y)))
    assert isinstance(cyclic, Tensor)
    close(cyclic, torch.zeros_like(cyclic), 1e-9)


@given(elements(2, positive=True))
def test_commutators_are_translations(gs: list[Tensor]) -> None:
    g, h = gs
    commutator = affine.compose(affine.compose(g, h), affine.compose(affine.inverse(g), affine.inverse(h)))
    close(commutator[:, 0], torch.ones(3, dtype=torch.float64))


@given(elements(3, positive=True))
def test_the_distance_is_a_left_invariant_metric(gs: list[Tensor]) -> None:
    g, h, k = gs
    close(affine.distance(g, h), affine.distance(h, g))
    close(affine.distance(affine.compose(k, g), affine.compose(k, h)), affine.distance(g, h), 1e-8)
    assert bool((affine.distance(g, k) <= affine.distance(g, h) + affine.distance(h, k) + 1e-9).all())
    close(affine.distance(g, g), torch.zeros(3, dtype=torch.float64), 0)
    moved = g.clone()
    moved[..., -1] += 1e-6
    assert bool((affine.distance(g, moved) > 0).all())


def test_the_distance_along_the_scalings_is_the_difference_of_logarithms() -> None:
    g, h = torch.zeros(2, 4, dtype=torch.float64)
    g[0], h[0] = 3.0, 0.5
    assert float(affine.distance(g, h)) == pytest.approx(math.log(6))


def test_elements_of_opposite_sign_are_infinitely_far_apart() -> None:
    g = torch.tensor([[1.0, 0.5], [-1.0, 0.5]])
    assert affine.distance(g[0], g).tolist() == [0.0, math.inf]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_element_made_from_a_step_maps_the_state_to_the_next(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 5, 4, 3, 8, 8, generator=generator, dtype=torch.float64).to(dtype)
    g = affine.from_step(x, y, torch.tensor([0.9, 1.0, 1.1, 0.0]))
    assert g.shape == (5, 4, 3 * 64 + 1)
    assert g.dtype == dtype
    torch.testing.assert_close(affine.act(g, x), y, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_images_and_vectors_are_acted_on_alike(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    g, x = torch.randn(6, 49, generator=generator).to(dtype), torch.randn(6, 3, 4, 4, generator=generator).to(dtype)
    torch.testing.assert_close(affine.act(g, x).flatten(1), affine.act(g, x.flatten(1)), rtol=0, atol=0)


def test_one_element_acts_on_many_states() -> None:
    g, x = torch.arange(5.0), torch.ones(7, 2, 1, 2, 2)
    assert affine.act(g, x).shape == x.shape
    assert affine.compose(g, torch.ones(7, 2, 5)).shape == (7, 2, 5)


def test_states_of_another_dimension_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"d = 4 cannot act on a tensor of shape \(7, 3\)"):
        affine.act(torch.ones(5), torch.ones(7, 3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1e-7, -1e-7, 1e-5, -1e-5, 1e-3])
def test_log_and_exp_keep_full_precision_near_the_identity(dtype: torch.dtype, offset: float) -> None:
    """Against log1p(u)/u evaluated in exact rational series at the offset that the dtype really holds."""
    g = torch.tensor([1 + offset, 1.0], dtype=dtype)
    u = float(g[0].double() - 1)
    series = sum((-u) ** k / (k + 1) for k in range(12))
    eps = torch.finfo(dtype).eps
    log = affine.log(g)
    assert float(log[1]) == pytest.approx(series, rel=4 * eps)
    assert float(log[0]) == pytest.approx(u * series, rel=4 * eps, abs=0)
    torch.testing.assert_close(affine.exp(log), g, rtol=4 * eps, atol=0)


@pytest.mark.parametrize("f", [affine.log, affine.exp])
def test_gradients_are_right_where_a_is_1(f: object) -> None:
    assert callable(f)
    start = torch.tensor([1.0 if f is affine.log else 0.0, 0.5, -2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(f, start.requires_grad_(True))


@pytest.mark.parametrize("a", [0.0, -1.0, math.inf, math.nan])
def test_log_needs_a_positive_scalar(a: float) -> None:
    with pytest.raises(GroupElementError, match="log needs a finite a > 0; a is"):
        affine.log(torch.tensor([[1.0, 2.0], [a, 2.0]]))


@pytest.mark.parametrize("a", [0.0, math.inf, math.nan])
@pytest.mark.parametrize("f", [affine.inverse, lambda g: affine.distance(g, g)], ids=["inverse", "distance"])
def test_a_singular_element_has_no_inverse_and_no_distance(a: float, f: object) -> None:
    assert callable(f)
    with pytest.raises(GroupElementError, match="in 1 of 2 elements"):
        f(torch.tensor([[-1.0, 2.0], [a, 2.0]]))


def test_an_infinite_gauge_makes_no_element() -> None:
    x = torch.zeros(2, 1, 2, 2)
    with pytest.raises(GroupElementError, match="an element needs a finite a; a is inf"):
        affine.from_step(x, x, math.inf)


def test_the_dense_form_is_refused_at_sizes_where_it_would_not_fit() -> None:
    assert affine.to_matrix(affine.identity(64)).shape == (65, 65)
    with pytest.raises(RefusedError, match="d = 65 is refused"):
        affine.to_matrix(affine.identity(65))


def test_structured_operations_reach_the_pixels_of_a_large_image() -> None:
    """d = 196,608, where the dense matrix would have 4e10 entries."""
    d = 3 * 256 * 256
    generator = torch.Generator().manual_seed(0)
    g = torch.randn(2, d + 1, generator=generator)
    g[:, 0] = torch.tensor([0.99, 1.01])
    x = torch.randn(3, 256, 256, generator=generator)
    twice = affine.act(g[1], affine.act(g[0], x))
    torch.testing.assert_close(affine.act(affine.compose(g[1], g[0]), x), twice, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(affine.exp(affine.log(g)), g, rtol=1e-5, atol=1e-6)
