"""Where a sequence of block-diagonal matrices takes a vector: ``z, M_1 z, M_2 M_1 z, ...``."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SCAN_FROM = 32
"""Number of steps from which the scan beats the loop, for blocks up to `SCAN_SIZES`."""

SCAN_SIZES = 8
"""Larger blocks go step by step: the scan multiplies matrices, b times the work of matrix times vector."""

_ENTRYWISE_UP_TO = 4
"""Largest block that multiplies a vector faster entry by entry than as a batched matrix product."""


def orbit(matrices: Float[Tensor, "n steps k b b"], first: Float[Tensor, "n k b"]) -> Float[Tensor, "n obs k b"]:
    """All of ``z_1 = first, z_{t+1} = M_t z_t``: later matrices multiply on the left.

    The cost is linear in the number of steps. Long sequences of small blocks take a scan whose depth is logarithmic:
    products of neighbours lead to every other vector, from which one more product leads to the rest (Blelloch 1990,
    "Prefix sums and their applications").
    """
    if matrices.shape[1] >= SCAN_FROM and matrices.shape[-1] <= SCAN_SIZES:
        return _scan(matrices, first)
    walk = _WalkInPlanes if matrices.shape[-1] <= _ENTRYWISE_UP_TO else _Walk
    latents: Tensor = walk.apply(matrices, first)  # type: ignore[no-untyped-call]
    return latents


class _Walk(torch.autograd.Function):
    """Step by step. Gradients of the latents are walked back, those of all matrices are one product then."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, first: Tensor) -> Tensor:
        latents = [first]
        for matrix in matrices.unbind(1):
            latents.append(_times(matrix, latents[-1]))
        result = torch.stack(latents, dim=1)
        ctx.save_for_backward(matrices, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        matrices, latents = ctx.saved_tensors
        *earlier, last = gradient.unbind(1)
        found = [last]
        for matrix, own in zip(reversed(matrices.unbind(1)), reversed(earlier), strict=True):
            found.append(own + _times(matrix.mT, found[-1]))
        whole = torch.stack(found[::-1], dim=1)
        return whole[:, 1:].unsqueeze(-1) * latents[:, :-1].unsqueeze(-2), whole[:, 0]


class _WalkInPlanes(torch.autograd.Function):
    """The same entry by entry: what one operation touches, an entry of all blocks of a step, is side by side."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, first: Tensor) -> Tensor:
        latents = [first.permute(2, 1, 0).contiguous()]
        for matrix in _planes(matrices):
            latents.append(_add_columns(matrix[:, 0] * latents[-1][0], matrix, latents[-1], 1))
        result = torch.stack(latents).permute(3, 0, 2, 1)
        ctx.save_for_backward(matrices, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        matrices, latents = ctx.saved_tensors
        *earlier, last = gradient.permute(1, 3, 2, 0).contiguous()
        found = [last]
        for matrix, own in zip(reversed(_planes(matrices).unbind()), reversed(earlier), strict=True):
            found.append(_add_columns(own, matrix.transpose(0, 1), found[-1]))
        whole = torch.stack(found[::-1])
        of_matrices = whole[1:, :, None] * latents.permute(1, 3, 2, 0)[:-1, None]
        return of_matrices.permute(4, 0, 3, 1, 2), whole[0].permute(2, 1, 0)


def _planes(matrices: Tensor) -> Tensor:
    """The entries of all blocks side by side, ``[steps, b, b, k, n]``; closed forms have left them so."""
    return matrices.permute(1, 3, 4, 2, 0).contiguous()


def _add_columns(total: Tensor, matrix: Tensor, vector: Tensor, begin: int = 0) -> Tensor:
    """``total + M v`` of planes ``[b, b, k, n]`` and ``[b, k, n]``, of the columns from `begin` on."""
    for j in range(begin, len(vector)):
        total = torch.addcmul(total, matrix[:, j], vector[j])
    return total


def _scan(matrices: Tensor, first: Tensor) -> Tensor:
    steps = matrices.shape[1]
    if steps <= 1:
        return torch.stack([first, *(_times(matrix, first) for matrix in matrices.unbind(1))], dim=1)
    even, odd = matrices[:, ::2], matrices[:, 1::2]
    at_even = _scan(odd @ even[:, : odd.shape[1]], first)  # z_0, z_2, ...
    at_odd = _times(even, at_even[:, : even.shape[1]])
    result = at_even.new_empty(len(matrices), steps + 1, *first.shape[1:])
    result[:, ::2], result[:, 1::2] = at_even, at_odd
    return result


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    if matrix.shape[-1] <= _ENTRYWISE_UP_TO:
        return (matrix * vector.unsqueeze(-2)).sum(-1)
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
