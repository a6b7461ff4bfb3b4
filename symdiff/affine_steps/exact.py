"""The representation of affine elements that is a homomorphism by construction.

``rho(a, v) = [[a I, P v], [0, 1]]`` with a linear P: the encoder ``h(x) = (P x, 1)`` is exactly equivariant under it,
since ``h(a x + v) = (a P x + P v, 1)``.
"""

from __future__ import annotations

from itertools import accumulate

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
        # Where the constant of every coordinate's block is; the rows of P go to the coordinates that are none.
        last = [end - 1 for end in accumulate(block_sizes)]
        constant = [end for end, size in zip(last, block_sizes, strict=True) for _ in range(size)]
        self.constant: Tensor
        self.moving: Tensor
        self.register_buffer("constant", torch.tensor(constant), persistent=False)
        moving = [i for i, end in enumerate(constant) if i != end]
        self.register_buffer("moving", torch.tensor(moving, dtype=torch.long), persistent=False)

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
        shifts = actions.new_zeros(*actions.shape[:2], self.dimension)
        shifts = shifts.index_copy(-1, self.moving, actions[..., 1:] @ self.projection.T)
        scales = torch.ones_like(shifts).index_copy(
            -1, self.moving, actions[..., :1].expand(*actions.shape[:2], len(self.moving))
        )
        latents = [first]
        for t in range(actions.shape[1]):
            z = latents[-1]
            latents.append(torch.addcmul(scales[:, t] * z, shifts[:, t], z[:, self.constant]))
        return torch.stack(latents, dim=1)
