"""The representation of affine elements that is a homomorphism by construction.

``rho(a, v) = [[a I, P v], [0, 1]]`` with a linear P: the encoder ``h(x) = (P x, 1)`` is exactly equivariant under it,
since ``h(a x + v) = (a P x + P v, 1)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symdiff.representations import Representation


class ExactRepresentation(Representation):
    """``[[a I, P_i v], [0, 1]]`` in every block.

    Parameters
    ----------
    projection
        P, ``[sum(b_i - 1), d]``: the rows of the blocks one after another. A parameter.
    block_sizes
        ``b_i >= 1``.
    """

    form = "exact"

    def __init__(self, projection: Tensor, block_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.block_sizes = block_sizes
        self.projection = nn.Parameter(projection.clone())

    def blocks(self, g: Tensor) -> list[Tensor]:
        """The blocks, one tensor each."""
        a, shifts = g[..., 0], g[..., 1:] @ self.projection.T
        result, start = [], 0
        for size in self.block_sizes:
            stop = start + size - 1
            eye = torch.eye(size, dtype=g.dtype, device=g.device)
            linear = torch.cat([a[..., None].expand(*a.shape, size - 1), torch.ones_like(a)[..., None]], dim=-1)
            column = torch.cat([shifts[..., start:stop], torch.zeros_like(a)[..., None]], dim=-1)
            block = eye * linear[..., None, :] + column[..., :, None] * eye[-1]
            result.append(block.unsqueeze(-3))
            start = stop
        return result

    def rollout(self, actions: Tensor, first: Tensor) -> Tensor:
        """``z -> a z + (P v) c`` with c the constant of the block, without forming a matrix: O(m) an element."""
        last = torch.tensor(self.block_sizes, device=first.device).cumsum(0) - 1
        constant = last.repeat_interleave(torch.tensor(self.block_sizes, device=first.device))
        moving = torch.ones(self.dimension, dtype=torch.bool, device=first.device)
        moving[last] = False
        shifts = actions.new_zeros(*actions.shape[:2], self.dimension)
        shifts[..., moving] = actions[..., 1:] @ self.projection.T
        latents = [first]
        for t in range(actions.shape[1]):
            z = latents[-1]
            moved = actions[:, t, :1] * z + shifts[:, t] * z[:, constant]
            latents.append(torch.where(moving, moved, z))
        return torch.stack(latents, dim=1)
