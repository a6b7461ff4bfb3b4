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
        h, delta = (a + d).mul_(0.5), (a - d).mul_(0.5)
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
        along = torch.addcmul(skew * delta, g01, b).addcmul_(g10, c)
        # dC/dq = S/2 and dS/dq = (C - S)/2q.
        if slope is None:
            slope = _slope(h, q, even, odd)
        half_h = torch.addcmul(even * trace, odd, along).mul_(0.5)
        of_q = torch.addcmul(odd * trace, slope, along).mul_(0.5)
        half_delta = torch.addcmul(delta * of_q, odd, skew, value=0.5)
        of_b, of_c = torch.addcmul(odd * g01, c, of_q), torch.addcmul(odd * g10, b, of_q)
        return _blocks([half_h + half_delta, of_b, of_c, half_h - half_delta], gradient)


def _planes(X: Tensor) -> Tensor:
    """The four entries, ``[4, batch]``, each in one piece of memory, the first dimension of the batch innermost."""
    planes = X.flatten(-2).movedim((-1, 0), (0, -1)).to(torch.float64, memory_format=torch.contiguous_format)
    return planes.flatten(1)


def _blocks(planes: list[Tensor], like: Tensor) -> Tensor:
    """Blocks of the shape and precision of `like`, whose memory stays in planes."""
    first, *rest = like.shape[:-2]
    return torch.stack(planes).to(like.dtype).view(2, 2, *rest, first).movedim((0, 1, -1), (-2, -1, 0))


def _terms(q: Tensor) -> int | None:
    """How many terms serve for all of `q`; asked on the CPU alone, elsewhere the answer would be waited for."""
    if q.device.type != "cpu" or q.numel() == 0:
        return None
    largest = float(torch.linalg.vector_norm(q, torch.inf))
    return next((terms for bound, terms in _TERMS.items() if largest <= bound), None)


def _by_series(h: Tensor, q: Tensor, terms: int) -> tuple[Tensor, Tensor, Tensor]:
    """``e^h`` times C(q), S(q) and (C - S)/q, each a series in q."""
    powers = q.new_empty(terms - 1, len(q))
    powers[0] = q
    done = 1
    while done < terms - 1:  # the first powers times the last one: every pass doubles what there is
        more = min(done, terms - 1 - done)
        torch.mul(powers[:more], powers[done - 1], out=powers[done : done + more])
        done += more
    constant, others = _coefficients(terms)
    even, odd, slope = torch.addmm(constant, others, powers).mul_(h.exp())
    return even, odd, slope


@cache
def _coefficients(terms: int) -> tuple[Tensor, Tensor]:
    """Of q^j: 1/(2j)!, 1/(2j+1)! and (2j+2)/(2j+3)!; those of 1, ``[3, 1]``, and of all others ``[3, terms - 1]``."""
    rows = [
        (1 / math.factorial(2 * j), 1 / math.factorial(2 * j + 1), (2 * j + 2) / math.factorial(2 * j + 3))
        for j in range(terms)
    ]
    with torch.inference_mode(False):
        coefficients = torch.tensor(rows, dtype=torch.float64).t()
        return coefficients[:, :1].contiguous(), coefficients[:, 1:].contiguous()


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
