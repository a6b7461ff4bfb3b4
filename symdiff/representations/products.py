"""Products of many small blocks."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def in_planes(blocks: Float[Tensor, "*batch b b"]) -> Float[Tensor, "b b n"]:
    """Entry by entry: what one operation then touches lies side by side in memory."""
    return blocks.reshape(-1, *blocks.shape[-2:]).permute(1, 2, 0).contiguous()


def plane_product(A: Float[Tensor, "b c n"], B: Float[Tensor, "c d n"]) -> Float[Tensor, "b d n"]:
    """The n products ``A B``; for sizes below 8 faster than a batched matrix product on the CPU, by 3 to 7 times."""
    product: Tensor = _Product.apply(A, B)  # type: ignore[no-untyped-call]
    return product


def add_plane_product(
    A: Float[Tensor, "b c n"], B: Float[Tensor, "c d n"], onto: Float[Tensor, "b d n"] | None = None
) -> Float[Tensor, "b d n"]:
    """``A B``, added to `onto` in place if that is given; without a derivative."""
    first = 0 if onto is not None else 1
    total = A[:, :1] * B[:1] if onto is None else onto
    for j in range(first, A.shape[1]):
        total.addcmul_(A[:, j : j + 1], B[j : j + 1])
    return total


class _Product(torch.autograd.Function):
    """Its derivative is two products again, where differentiating the sum writes out every term of it."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, B: Tensor) -> Tensor:
        ctx.save_for_backward(A, B)
        return add_plane_product(A, B)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        A, B = ctx.saved_tensors
        return plane_product(gradient, B.transpose(0, 1)), plane_product(A.transpose(0, 1), gradient)
