"""The exponential of 2x2 blocks in closed form, with its derivative.

Cayley-Hamilton: ``X = h I + B`` with tr B = 0 and ``B^2 = q I``, so ``exp X = e^h (C(q) I + S(q) B)`` with
``C = cosh(sqrt q)`` and ``S = sinh(sqrt q)/sqrt q``, for q < 0 ``cos`` and ``sin``: entire functions of q, so that
nothing special happens where the eigenvalues meet, q = 0. Bernstein and So 1993, "Some explicit formulas for the matrix
exponential", Theorem 2.4.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

_SERIES_UP_TO = 0.5
# (C - S)/q = sum_j (2j+2)/(2j+3)! q^j: the difference cancels for small q, the series does not.
_SERIES = tuple((2 * j + 2) / math.factorial(2 * j + 3) for j in range(9))
_TINY = 1e-150

_TERMS = {0.25: 8, 1.0: 10, 4.0: 14}
"""Up to the largest |q| of a batch: terms of series of all three functions that serve for all of it, in one product.

The first term left out is below 0.25^8/16! = 1e-18, 1/20! = 1e-18 and 4^14/28! = 1e-21.
"""


def exponential_2x2(X: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 2 2"]:
    """``exp(X)``, computed in float64, returned in the dtype of `X`."""
    if X.dim() == 2:
        return exponential_2x2(X[None])[0]
    result: Tensor = _Exponential.apply(X)  # type: ignore[no-untyped-call]
    return result


class _Exponential(torch.autograd.Function):
    """Forward and backward written out: a third of the operations automatic differentiation makes of them."""

    @staticmethod
    def forward(ctx: Any, X: Tensor) -> Tensor:
        a, b, c, d = _planes(X)
        h, delta = (a + d) * 0.5, (a - d) * 0.5
        q = torch.addcmul(delta * delta, b, c)
        terms = _terms(q)
        even, odd, slope = (*_even_and_odd(h, q), None) if terms is None else _by_series(h, q, terms)
        ctx.save_for_backward(h, delta, b, c, q, even, odd, slope)
        diagonal = odd * delta
        return _blocks([even + diagonal, odd * b, odd * c, even - diagonal], X)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        h, delta, b, c, q, even, odd, slope = ctx.saved_tensors
        g00, g01, g10, g11 = _planes(gradient)
        trace, skew = g00 + g11, g00 - g11
        along = skew * delta + g01 * b + g10 * c
        # dC/dq = S/2 and dS/dq = (C - S)/2q.
        if slope is None:
            slope = _slope(h, q, even, odd)
        of_h = even * trace + odd * along
        of_q = 0.5 * (odd * trace + slope * along)
        half_delta = torch.addcmul(0.5 * odd * skew, delta, of_q)
        of_a, of_d = 0.5 * of_h + half_delta, 0.5 * of_h - half_delta
        of_b, of_c = torch.addcmul(odd * g01, c, of_q), torch.addcmul(odd * g10, b, of_q)
        return _blocks([of_a, of_b, of_c, of_d], gradient)


def _planes(X: Tensor) -> Tensor:
    """The four entries, side by side in memory and the first dimension of the batch innermost: ``[4, ..., n]``."""
    return X.flatten(-2).movedim((-1, 0), (0, -1)).to(torch.float64, memory_format=torch.contiguous_format)


def _blocks(planes: list[Tensor], like: Tensor) -> Tensor:
    """Blocks whose memory stays in planes."""
    blocks: Tensor = torch.stack(planes).to(like.dtype).movedim((0, -1), (-1, 0)).unflatten(-1, (2, 2))
    return blocks


def _terms(q: Tensor) -> int | None:
    """How many terms serve for all of `q`; asked on the CPU alone, elsewhere the answer would be waited for."""
    if q.device.type != "cpu" or q.numel() == 0:
        return None
    largest = float(torch.linalg.vector_norm(q, torch.inf))
    return next((terms for bound, terms in _TERMS.items() if largest <= bound), None)


def _by_series(h: Tensor, q: Tensor, terms: int) -> tuple[Tensor, Tensor, Tensor]:
    """``e^h`` times C(q), S(q) and (C - S)/q, each a series in q."""
    powers = q.new_empty(terms, q.numel())
    powers[0] = 1
    powers[1] = q.flatten()
    done = 2
    while done < terms:  # q^i q^(done - i) for i = 1, 2, ..: every pass doubles what there is
        more = min(done - 1, terms - done)
        torch.mul(powers[1 : more + 1], powers[done - 1], out=powers[done : done + more])
        done += more
    even, odd, slope = (_coefficients(terms) @ powers).mul_(h.exp().flatten()).unflatten(-1, q.shape)
    return even, odd, slope


@cache
def _coefficients(terms: int) -> Tensor:
    """Of q^j: 1/(2j)!, 1/(2j+1)! and (2j+2)/(2j+3)!, ``[3, terms]``."""
    rows = [
        (1 / math.factorial(2 * j), 1 / math.factorial(2 * j + 1), (2 * j + 2) / math.factorial(2 * j + 3))
        for j in range(terms)
    ]
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=torch.float64).t().contiguous()


def _even_and_odd(h: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """``e^h C(q)`` and ``e^h S(q)``; through ``e^(h+r)``, which overflows only where the result does."""
    r = q.abs().sqrt().clamp_min(_TINY)
    real = q > 0
    growth = torch.where(real, h + r, h).exp()
    falling = torch.expm1(-2 * r)
    even = growth * torch.where(real, 0.5 * falling + 1, r.cos())
    odd = growth * torch.where(real, -0.5 * falling, r.sin()) / r
    return even, odd


def _slope(h: Tensor, q: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """``e^h (C - S)/q``."""
    near = q.abs() < _SERIES_UP_TO
    series = torch.full_like(q, _SERIES[-1])
    for coefficient in reversed(_SERIES[:-1]):
        series.mul_(q).add_(coefficient)
    return torch.where(near, h.exp() * series, (even - odd) / torch.where(near, 1, q))
