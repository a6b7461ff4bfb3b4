"""The matrix exponential of many small blocks at once, differentiable.

`torch.matrix_exp` works one matrix at a time on the CPU. Here 2x2 blocks have a closed form (`two_by_two`), larger
ones a Taylor polynomial of fixed order with scaling and squaring, in batched products throughout. Float32 blocks are
computed in float64 and rounded once: every squaring doubles a rounding error, and blocks are small.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.plainly import is_plain
from symdiff.representations.products import in_planes, plane_product
from symdiff.representations.taylor import order_18, polynomial_and_squarings
from symdiff.representations.two_by_two import exponential_2x2

EXACT_UP_TO = {torch.float64: 1.09, torch.float32: 3.01}
"""Norms up to which order 18 is exact to rounding (Bader, Blanes and Casas 2019, Table 2)."""

_MOST_SQUARINGS = {torch.float64: 10, torch.float32: 7}
"""On a GPU all of them are computed and as many as needed kept; a block that needs more becomes NaN."""

_PLANES_UP_TO = 7
"""Largest size at which products entry by entry beat a batched matrix product on the CPU."""

_SINGLE_UP_TO = 2.0
"""Norm up to which large float32 blocks are computed in float32: without a squaring its rounding stays its own."""


def matrix_exponential(X: Float[Tensor, "*batch b b"]) -> Float[Tensor, "*batch b b"]:
    """``exp(X)`` of every block ``[..., b, b]``, in the dtype of `X`; within `plainly` by `torch.matrix_exp`."""
    if is_plain():
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
    planes = b <= _PLANES_UP_TO
    norm = X.detach().abs().sum(-2).amax(-1).double()
    needed, count, of_all, wide = None, 0, 0, torch.float64
    largest = torch.inf if static else float(norm.amax())
    if not largest <= EXACT_UP_TO[X.dtype]:
        # A NaN stays one, so that a block that is not finite comes out not finite.
        needed = (norm / EXACT_UP_TO[X.dtype]).log2().ceil().clamp_min(0)
        if static:
            count = _MOST_SQUARINGS[X.dtype]
            needed = needed.masked_fill(needed > count, torch.nan)
        else:
            count, of_all = (int(n) for n in needed.nan_to_num(0, posinf=0).aminmax()[::-1])
    elif not planes and largest <= _SINGLE_UP_TO:
        wide = X.dtype
    scaled = X.to(wide)
    if needed is not None:
        scaled = scaled * torch.exp2(-needed)[..., None, None]
    A = in_planes(scaled) if planes else scaled.reshape(-1, b, b)
    result = _static(A, needed, count, planes) if static else _by_values(A, needed, count, of_all, planes)
    return (result.permute(2, 0, 1) if planes else result).reshape(X.shape).to(X.dtype)


def _by_values(A: Tensor, needed: Tensor | None, count: int, of_all: int, planes: bool) -> Tensor:
    times = None if needed is None else needed.flatten() if planes else needed.flatten()[:, None, None]
    masks = [None if times is None or j < of_all else times > j for j in range(count)]
    return polynomial_and_squarings(A, masks, planes)


def _static(A: Tensor, needed: Tensor | None, count: int, planes: bool) -> Tensor:
    result = order_18(A, planes)
    if needed is not None:
        times = needed.flatten() if planes else needed.flatten()[:, None, None]
        for j in range(count):
            squared = plane_product(result, result) if planes else result @ result
            result = torch.where(times > j, squared, result)
    return result
