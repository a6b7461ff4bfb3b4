"""The matrix exponential of many small blocks at once, differentiable.

`torch.matrix_exp` works one matrix at a time on the CPU. Here 2x2 blocks have a closed form (`two_by_two`), larger
ones a Taylor polynomial of fixed order with scaling and squaring, in batched products throughout. Float32 blocks are
computed in float64 and rounded once: every squaring doubles a rounding error, and blocks are small.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.representations.products import in_planes, plane_product
from symdiff.representations.two_by_two import exponential_2x2

_EXACT_UP_TO = {torch.float64: 1.09, torch.float32: 3.01}
"""Norms up to which order 18 is exact to rounding (Bader, Blanes and Casas 2019, Table 2)."""

_MOST_SQUARINGS = {torch.float64: 10, torch.float32: 7}
"""On a GPU all of them are computed and as many as needed kept; a block that needs more becomes NaN."""

_PLANES_UP_TO = 7
"""Largest size at which products entry by entry beat a batched matrix product on the CPU."""

_SINGLE_UP_TO = 2.0
"""Norm up to which large float32 blocks are computed in float32: without a squaring its rounding stays its own."""

# Order 18 in five products: rows B1..B5, columns I, X, X^2, X^3, X^6 (Bader, Blanes and Casas 2019, "Computing the
# matrix exponential with an optimized Taylor polynomial approximation", Mathematics 7, 1174, Eq. 17 and Table 3).
_COEFFICIENTS = (
    (0.0, -1.00365581030144618291e-01, -8.02924648241156932449e-03, -8.92138498045729985177e-04, 0.0),
    (0.0, 3.97849749499645077844e-01, 1.36783778460411720168, 4.98289622525382669416e-01, -6.37898194594723280150e-04),
    (-1.09676396052962061844e01, 1.68015813878906206114, 5.71779846478865511061e-02, -6.98210122488052056106e-03,
     3.34975017086070470649e-05),
    (-9.04316832390810593223e-02, -6.76404519071381882256e-02, 6.75961301770459654925e-02, 2.95552570429315521194e-02,
     -1.39180257516060693404e-05),
    (0.0, 0.0, -9.23364619367118555360e-02, -1.69364939002081722752e-02, -1.40086798182036094347e-05),
)  # fmt: skip

_plain: ContextVar[bool] = ContextVar("plain exponentials", default=False)


@contextmanager
def plain_exponentials() -> Iterator[None]:
    """Within it, `matrix_exponential` is `torch.matrix_exp`: what the fast forms are compared with."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def matrix_exponential(X: Float[Tensor, "*batch b b"]) -> Float[Tensor, "*batch b b"]:
    """``exp(X)`` of every block ``[..., b, b]``, in the dtype of `X`."""
    if _plain.get():
        plain: Tensor = torch.linalg.matrix_exp(X.contiguous())  # it takes no views
        return plain
    if X.shape[-1] == 1:
        return X.exp()
    if X.shape[-1] == 2:
        return exponential_2x2(X)
    return _taylor(X, static=X.device.type != "cpu") if X.numel() else X.clone()


def _taylor(X: Tensor, static: bool) -> Tensor:
    """Scaling and squaring of a Taylor polynomial of order 18.

    Parameters
    ----------
    static
        Do the same operations whatever the values: nothing is read back from the device, so that a GPU need not be
        waited for, and the operations can be captured in a graph.
    """
    b = X.shape[-1]
    norm = X.detach().abs().sum(-2).amax(-1).double()
    # A NaN stays one, so that a block that is not finite comes out not finite.
    needed = (norm / _EXACT_UP_TO[X.dtype]).log2().ceil().clamp_min(0)
    wide = torch.float64
    if static:
        count, of_all = _MOST_SQUARINGS[X.dtype], 0
        needed = needed.masked_fill(needed > count, torch.nan)
    else:
        largest = float(norm.nan_to_num(0).amax())
        count, of_all = (int(n) for n in needed.nan_to_num(0, posinf=0).aminmax()[::-1])
        if b > _PLANES_UP_TO and largest <= _SINGLE_UP_TO:
            wide = X.dtype
    scaled = X.to(wide)
    if count:
        scaled = scaled * torch.exp2(-needed).to(wide)[..., None, None]
    planes = b <= _PLANES_UP_TO
    A = in_planes(scaled) if planes else scaled.reshape(-1, b, b)
    result = _order_18(A, planes)
    times = needed.flatten() if planes else needed.flatten()[:, None, None]
    for j in range(count):
        squared = plane_product(result, result) if planes else result @ result
        result = squared if j < of_all else torch.where(times > j, squared, result)
    return (result.permute(2, 0, 1) if planes else result).reshape(X.shape).to(X.dtype)


def _order_18(A: Tensor, planes: bool) -> Tensor:
    """The Taylor polynomial of `A`, ``[b, b, n]`` in planes, else ``[n, b, b]``."""

    def times(left: Tensor, right: Tensor) -> Tensor:
        return plane_product(left, right) if planes else left @ right

    square = times(A, A)
    cube = times(square, A)
    powers = torch.stack([A, square, cube, times(cube, cube)])
    B1, B2, B3, B4, B5 = (_weights(A.dtype, A.device) @ powers.flatten(1)).unflatten(1, A.shape)
    eye = torch.eye(A.shape[0 if planes else -1], dtype=A.dtype, device=A.device)
    eye = eye[..., None] if planes else eye
    B3, B4 = B3 + _COEFFICIENTS[2][0] * eye, B4 + _COEFFICIENTS[3][0] * eye
    inner = times(B1, B5) + B4
    polynomial: Tensor = B2 + times(B3 + inner, inner)
    return polynomial


@cache
def _weights(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The coefficients of the powers; kept on the device, because a copy to it waits for it."""
    with torch.inference_mode(False):
        return torch.tensor([row[1:] for row in _COEFFICIENTS], dtype=dtype, device=device)
