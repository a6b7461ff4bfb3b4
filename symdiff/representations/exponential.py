"""The matrix exponential of many small blocks at once, differentiable.

`torch.matrix_exp` works one matrix at a time on the CPU; closed forms (b <= 2) and a Taylor polynomial of fixed
order with scaling and squaring are batched matrix products throughout.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

_SMALL = 1e-2
_COSH_SERIES = tuple(1 / math.factorial(2 * j) for j in range(6))
_SINH_SERIES = tuple(1 / math.factorial(2 * j + 1) for j in range(6))
_TAYLOR_ORDER = 12
# With |X| <= theta the truncation |X|^13/13! stays below float64 rounding of the result.
_TAYLOR_THETA = 0.3


def matrix_exponential(X: Float[Tensor, "*batch b b"]) -> Float[Tensor, "*batch b b"]:
    """``exp(X)`` of every block ``[..., b, b]``, in the dtype of `X`."""
    if X.shape[-1] == 1:
        return X.exp()
    if X.shape[-1] == 2:
        return _two_by_two(X)
    return _taylor(X)


def _two_by_two(X: Tensor) -> Tensor:
    """Cayley-Hamilton: ``X = h I + B`` with tr B = 0, ``B^2 = r^2 I``, so ``exp X = e^h (cosh(r) I + sinh(r)/r B)``.

    Bernstein and So 1993, "Some explicit formulas for the matrix exponential", Theorem 2.4.
    """
    a, b, c, d = X[..., 0, 0], X[..., 0, 1], X[..., 1, 0], X[..., 1, 1]
    h, delta = (a + d) / 2, (a - d) / 2
    q = delta * delta + b * c
    small = q.abs() < _SMALL
    # Both branches are differentiated, so the one not taken must stay finite.
    r = torch.where(small, torch.ones_like(q), q.abs()).sqrt()
    real = q > 0
    even = torch.where(small, _polynomial(_COSH_SERIES, q), torch.where(real, torch.cosh(r), torch.cos(r)))
    odd = torch.where(small, _polynomial(_SINH_SERIES, q), torch.where(real, torch.sinh(r), torch.sin(r)) / r)
    growth = h.exp()
    even, odd = growth * even, growth * odd
    top = torch.stack([even + odd * delta, odd * b], dim=-1)
    bottom = torch.stack([odd * c, even - odd * delta], dim=-1)
    return torch.stack([top, bottom], dim=-2)


def _polynomial(coefficients: tuple[float, ...], q: Tensor) -> Tensor:
    value = torch.full_like(q, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * q + coefficient
    return value


def _taylor(X: Tensor) -> Tensor:
    """Scaling and squaring with a Taylor polynomial of order 12 in three products of powers (Paterson-Stockmeyer)."""
    norm = float(X.detach().abs().sum(-2).amax()) if X.numel() else 0.0
    # A NaN or infinite block is passed through: the loss it makes non-finite is what gets reported.
    squarings = max(0, math.ceil(math.log2(norm / _TAYLOR_THETA))) if 0 < norm < math.inf else 0
    Y = X / 2**squarings
    Y2 = Y @ Y
    Y3 = Y2 @ Y
    Y4 = Y2 @ Y2
    eye = torch.eye(X.shape[-1], dtype=X.dtype, device=X.device)
    c = [1 / math.factorial(j) for j in range(_TAYLOR_ORDER + 1)]
    result: Tensor = c[12] * Y4 + c[11] * Y3 + c[10] * Y2 + c[9] * Y + c[8] * eye
    result = result @ Y4 + c[7] * Y3 + c[6] * Y2 + c[5] * Y + c[4] * eye
    result = result @ Y4 + c[3] * Y3 + c[2] * Y2 + c[1] * Y + eye
    for _ in range(squarings):
        result = result @ result
    return result
