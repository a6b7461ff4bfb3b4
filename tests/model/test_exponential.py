"""The batched matrix exponential against the reference, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.plainly import plainly
from symdiff.representations import matrix_exponential
from symdiff.representations.exponential import _taylor
from tests.gpu import waiting_forbidden


@given(
    size=st.integers(1, 6),
    log_scale=st.floats(-8, 1),
    seed=st.integers(0, 2**31),
)
def test_it_agrees_with_the_reference_at_every_size_and_scale(size: int, log_scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    X = 10**log_scale * torch.randn(5, size, size, generator=generator, dtype=torch.float64)
    expected = torch.matrix_exp(X)
    torch.testing.assert_close(matrix_exponential(X), expected, rtol=1e-11, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "block",
    [
        pytest.param([[0.0, 0.0], [0.0, 0.0]], id="zero"),
        pytest.param([[0.3, 1.0], [0.0, 0.3]], id="nilpotent part, r = 0"),
        pytest.param([[0.1, -2.0], [2.0, 0.1]], id="rotation, r imaginary"),
        pytest.param([[1.0, 0.5], [0.5, -1.0]], id="hyperbolic, r real"),
        pytest.param([[0.0, 0.01], [1.0, 0.0]], id="on the border between series and closed form"),
    ],
)
def test_two_by_two_blocks_have_the_right_value_and_gradient_in_every_branch(block: list[list[float]]) -> None:
    X = torch.tensor([block], dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(matrix_exponential(X), torch.matrix_exp(X), rtol=1e-14, atol=1e-15)
    assert torch.autograd.gradcheck(matrix_exponential, X)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_gradient_is_right_beyond_two_by_two(size: int) -> None:
    X = torch.randn(2, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    assert torch.autograd.gradcheck(matrix_exponential, X.requires_grad_())


def scaled(size: int, norm: float, seed: int) -> torch.Tensor:
    """Blocks of one spectral norm, whose entries are float32 numbers."""
    X = torch.randn(6, size, size, generator=torch.Generator().manual_seed(seed))
    return X * (norm / torch.linalg.matrix_norm(X, 2))[:, None, None]


def relative_error(found: torch.Tensor, X: torch.Tensor) -> float:
    """Against scaling by 2^14 and a series in numbers of 64 bits of mantissa."""
    Y = X.double().numpy().astype(np.longdouble) / 2**14
    term = exact = np.broadcast_to(np.eye(X.shape[-1], dtype=np.longdouble), Y.shape)
    for j in range(1, 16):
        term = term @ Y / j
        exact = exact + term
    for _ in range(14):
        exact = exact @ exact
    difference = found.double().numpy() - exact
    return float(
        (np.linalg.norm(difference.astype(float), axis=(1, 2)) / np.linalg.norm(exact.astype(float), axis=(1, 2))).max()
    )


@given(size=st.sampled_from([2, 3, 4, 5, 8, 17]), log_norm=st.floats(-4, 1.301), seed=st.integers(0, 2**31))
def test_up_to_norm_20_the_error_is_within_1e_6_in_float32_and_1e_13_in_float64(
    size: int, log_norm: float, seed: int
) -> None:
    X = scaled(size, 10**log_norm, seed)
    found = matrix_exponential(X)
    assert found.dtype == torch.float32
    assert relative_error(found, X) < 1e-6
    assert relative_error(matrix_exponential(X.double()), X) < 1e-13


@given(h=st.floats(-3, 3), delta=st.floats(-3, 3), log_b=st.floats(-12, 1), seed=st.integers(0, 2**31))
def test_where_two_eigenvalues_meet_value_and_gradient_are_those_of_the_reference(
    h: float, delta: float, log_b: float, seed: int
) -> None:
    b = 10**log_b if delta else 0.0
    X = torch.tensor([[h + delta, b], [-delta * delta / b if b else 1.0, h - delta]], dtype=torch.float64)
    X = (X / X.norm().clamp_min(1.0)).requires_grad_()
    weights = torch.randn(2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    [found] = torch.autograd.grad((weights * matrix_exponential(X[None])[0]).sum(), X)
    [expected] = torch.autograd.grad((weights * torch.matrix_exp(X)).sum(), X)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [2, 3, 9])
def test_blocks_of_very_different_norms_do_not_disturb_each_other(size: int) -> None:
    small, large = scaled(size, 1e-3, 0).double(), scaled(size, 20.0, 1).double()
    together = matrix_exponential(torch.cat([small, large]))
    torch.testing.assert_close(together[:6], matrix_exponential(small), rtol=1e-14, atol=1e-16)
    alone = matrix_exponential(large)  # entries that cancel are right as the block is, not as they are
    assert bool(((together[6:] - alone).norm(dim=(1, 2)) <= 1e-14 * alone.norm(dim=(1, 2))).all())


@pytest.mark.parametrize("size", [3, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_with_a_fixed_number_of_squarings_the_values_are_the_same(size: int, dtype: torch.dtype) -> None:
    X = torch.cat([scaled(size, norm, 3) for norm in (0.01, 1.0, 20.0)]).to(dtype)
    torch.testing.assert_close(_taylor(X, static=True), _taylor(X, static=False), rtol=1e-6, atol=0)


@pytest.mark.parametrize("size", [2, 3, 9])
def test_off_the_cpu_nothing_is_read_back(size: int) -> None:
    """A meta tensor has no values: whatever asks for one fails."""
    X = torch.empty(4, 5, size, size, device="meta", requires_grad=True)
    found = matrix_exponential(X)
    found.sum().backward()
    assert found.shape == X.shape


@pytest.mark.parametrize("size", [2, 3, 9])
@pytest.mark.parametrize("static", [False, True])
def test_a_block_that_is_not_finite_stays_so_and_spoils_no_other(size: int, static: bool) -> None:
    X = scaled(size, 1.0, 0)
    X[2, 0, 0] = torch.nan
    X[4, 0, 0] = torch.inf
    found = matrix_exponential(X) if size == 2 else _taylor(X, static)
    assert found.flatten(1).isfinite().all(1).tolist() == [True, True, False, True, False, True]


def test_a_block_beyond_the_fixed_number_of_squarings_is_no_number_rather_than_a_wrong_one() -> None:
    X = scaled(3, 2000.0, 0)
    assert bool(_taylor(X - X.mT, static=True).isnan().all())


def test_plain_exponentials_are_those_of_torch_bit_by_bit() -> None:
    X = scaled(2, 1.0, 0)
    with plainly():
        assert torch.equal(matrix_exponential(X), torch.matrix_exp(X))
    assert not torch.equal(matrix_exponential(X), torch.matrix_exp(X))


@pytest.mark.gpu
@pytest.mark.parametrize("size", [2, 3, 8])
def test_on_a_gpu_the_values_are_those_of_the_cpu_without_waiting_for_it(size: int) -> None:
    X = torch.cat([scaled(size, norm, 3) for norm in (0.01, 1.0, 20.0)])
    there = X.cuda()
    matrix_exponential(there)  # its constants come to the device once
    with waiting_forbidden():
        found = matrix_exponential(there)
    torch.testing.assert_close(found.cpu(), matrix_exponential(X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("size", [3, 8])
def test_second_derivatives_are_right_with_and_without_squarings(size: int) -> None:
    for norm in (0.5, 4.0):
        X = scaled(size, norm, 1)[:1].double().requires_grad_()
        weights = torch.randn(1, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        found = []
        for of in (matrix_exponential, lambda X: _taylor(X, static=True)):
            [slope] = torch.autograd.grad((weights * of(X)).sum(), X, create_graph=True)
            found.append(torch.autograd.grad(slope.square().sum(), X)[0])
        torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9 * float(found[1].abs().max()))


@settings(max_examples=10)
@given(size=st.sampled_from([3, 5, 8, 9]), norms=st.lists(st.floats(-3, 1.301), min_size=1, max_size=4))
def test_the_gradient_is_that_of_differentiating_every_product(size: int, norms: list[float]) -> None:
    X = torch.cat([scaled(size, 10**norm, i)[:2] for i, norm in enumerate(norms)]).double().requires_grad_()
    weights = torch.randn(X.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    [found] = torch.autograd.grad((weights * matrix_exponential(X)).sum(), X)
    [expected] = torch.autograd.grad((weights * _taylor(X, static=True)).sum(), X)
    assert float((found - expected).norm()) <= 1e-11 * float(expected.norm())
