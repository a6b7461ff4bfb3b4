"""The batched matrix exponential against the reference, and its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.representations import matrix_exponential


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


def test_float32_stays_float32_and_is_accurate_to_its_rounding() -> None:
    X = torch.randn(64, 2, 2, generator=torch.Generator().manual_seed(0))
    found = matrix_exponential(X)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), torch.matrix_exp(X.double()), rtol=1e-5, atol=1e-5)
