"""A polynomial of the exponential and its squarings on the CPU, with the derivative written out.

Blocks are small, and what they cost is the number of operations. The derivative of every product is two products, added
to what they belong to where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symdiff.representations.products import add_plane_product, plane_product

# Order 18 in five products: rows B1..B5, columns I, X, X^2, X^3, X^6 (Bader, Blanes and Casas 2019, "Computing the
# matrix exponential with an optimized Taylor polynomial approximation", Mathematics 7, 1174, Eq. 17 and Table 3).
COEFFICIENTS = (
    (0.0, -1.00365581030144618291e-01, -8.02924648241156932449e-03, -8.92138498045729985177e-04, 0.0),
    (0.0, 3.97849749499645077844e-01, 1.36783778460411720168, 4.98289622525382669416e-01, -6.37898194594723280150e-04),
    (-1.09676396052962061844e01, 1.68015813878906206114, 5.71779846478865511061e-02, -6.98210122488052056106e-03,
     3.34975017086070470649e-05),
    (-9.04316832390810593223e-02, -6.76404519071381882256e-02, 6.75961301770459654925e-02, 2.95552570429315521194e-02,
     -1.39180257516060693404e-05),
    (0.0, 0.0, -9.23364619367118555360e-02, -1.69364939002081722752e-02, -1.40086798182036094347e-05),
)  # fmt: skip


def polynomial_and_squarings(
    A: Float[Tensor, "x y z"], squared: Sequence[Bool[Tensor, "*mask"] | None], planes: bool
) -> Float[Tensor, "x y z"]:
    """The Taylor polynomial of order 18 of `A`, squared once for every item of `squared`.

    Parameters
    ----------
    A
        ``[b, b, n]`` in planes, else ``[n, b, b]``.
    squared
        Which blocks: a mask that broadcasts over the blocks, or ``None`` for all of them.
    planes
        How blocks lie.
    """
    result: Tensor = _Taylor.apply(A, tuple(squared), planes)  # type: ignore[no-untyped-call]
    return result


def order_18(A: Tensor, planes: bool) -> Tensor:
    """The Taylor polynomial of `A`, ``[b, b, n]`` in planes, else ``[n, b, b]``; differentiated automatically."""

    def times(left: Tensor, right: Tensor) -> Tensor:
        return plane_product(left, right) if planes else left @ right

    square = times(A, A)
    cube = times(square, A)
    powers = torch.stack([A, square, cube, times(cube, cube)])
    B1, B2, B3, B4, B5 = (coefficients_on(A.dtype, A.device) @ powers.flatten(1)).unflatten(1, A.shape)
    eye = torch.eye(A.shape[0 if planes else -1], dtype=A.dtype, device=A.device)
    eye = eye[..., None] if planes else eye
    B3, B4 = B3 + COEFFICIENTS[2][0] * eye, B4 + COEFFICIENTS[3][0] * eye
    inner = times(B1, B5) + B4
    polynomial: Tensor = B2 + times(B3 + inner, inner)
    return polynomial


class _Taylor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, squared: tuple[Tensor | None, ...], planes: bool) -> Tensor:
        powers = A.new_empty(4, *A.shape)
        powers[0] = A
        powers[1] = _product(A, A, planes)
        powers[2] = _product(powers[1], A, planes)
        powers[3] = _product(powers[2], powers[2], planes)
        B1, B2, B3, B4, B5 = (coefficients_on(A.dtype, A.device) @ powers.flatten(1)).unflatten(1, A.shape).unbind()
        for B, row in ((B3, 2), (B4, 3)):
            torch.diagonal(B, dim1=0 if planes else 1, dim2=1 if planes else 2).add_(COEFFICIENTS[row][0])
        inner = _product(B1, B5, planes, B4)
        left = B3.add_(inner)
        factors = [_product(left, inner, planes, B2)]
        for mask in squared:
            square = _product(factors[-1], factors[-1], planes)
            factors.append(square if mask is None else torch.where(mask, square, factors[-1]))
        ctx.squared, ctx.planes = squared, planes
        ctx.save_for_backward(A, powers, B1, B5, left, inner, *factors[:-1])
        return factors[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        A, powers, B1, B5, left, inner, *factors = ctx.saved_tensors
        squared, planes = ctx.squared, ctx.planes
        if torch.is_grad_enabled():  # a second derivative may be asked for
            return _differentiably(A, gradient, squared, planes), None, None

        def turned(blocks: Tensor) -> Tensor:
            return blocks.transpose(0, 1) if planes else blocks.mT

        def of_square(factor: Tensor, gradient: Tensor, onto: Tensor | None = None) -> Tensor:
            one = _product(turned(factor), gradient, planes, onto)
            return _product(gradient, turned(factor), planes, one)

        for factor, mask in zip(reversed(factors), reversed(squared), strict=True):
            wider = of_square(factor, gradient)
            gradient = wider if mask is None else torch.where(mask, wider, gradient)
        of_B = gradient.new_empty(5, *gradient.shape)
        of_B[1] = gradient
        of_B[2] = _product(gradient, turned(inner), planes)
        of_B[3] = of_B[2]
        _product(turned(left), gradient, planes, of_B[3])
        of_B[0] = _product(of_B[3], turned(B5), planes)
        of_B[4] = _product(turned(B1), of_B[3], planes)
        of_A, of_square_, of_cube, of_sixth = (coefficients_on(A.dtype, A.device).t() @ of_B.flatten(1)).unflatten(
            1, A.shape
        )
        of_square(powers[2], of_sixth, of_cube)
        _product(of_cube, turned(A), planes, of_square_)
        _product(turned(powers[1]), of_cube, planes, of_A)
        return of_square(A, of_square_, of_A), None, None


def _differentiably(A: Tensor, gradient: Tensor, squared: Sequence[Tensor | None], planes: bool) -> Tensor:
    result = order_18(A, planes)
    for mask in squared:
        square = plane_product(result, result) if planes else result @ result
        result = square if mask is None else torch.where(mask, square, result)
    [found] = torch.autograd.grad(result, A, gradient, create_graph=True)
    return found


def _product(A: Tensor, B: Tensor, planes: bool, onto: Tensor | None = None) -> Tensor:
    """``A B``, added to `onto` in place if that is given."""
    if planes:
        return add_plane_product(A, B, onto)
    return A @ B if onto is None else onto.baddbmm_(A, B)


@cache
def coefficients_on(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The coefficients of the powers; kept on the device, because a copy to it waits for it."""
    with torch.inference_mode(False):
        return torch.tensor([row[1:] for row in COEFFICIENTS], dtype=dtype, device=device)
