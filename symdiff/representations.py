"""Representations rho: G -> GL(Z), block-diagonal with given block sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Representation(nn.Module, ABC):
    """A map from group elements to invertible matrices, block-diagonal.

    Attributes
    ----------
    block_sizes
        Sizes of the diagonal blocks, in order; they sum to the latent dimension m.
    form
        ``mlp``, ``lie``, ``lie-projected`` or ``exact``.
    """

    form: str
    block_sizes: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """Latent dimension m."""
        return sum(self.block_sizes)

    @abstractmethod
    def blocks(self, g: Float[Tensor, "*batch_element"]) -> list[Float[Tensor, "..."]]:
        """Diagonal blocks, one tensor ``[..., b, b]`` for every entry of `block_sizes`."""

    def forward(self, g: Float[Tensor, "*batch_element"]) -> Float[Tensor, "*batch m m"]:
        """Dense matrices ``[..., m, m]``."""
        blocks = self.blocks(g)
        matrix = blocks[0].new_zeros(*blocks[0].shape[:-2], self.dimension, self.dimension)
        start = 0
        for block in blocks:
            end = start + block.shape[-1]
            matrix[..., start:end, start:end] = block
            start = end
        return matrix

    def rollout(self, actions: Float[Tensor, "n act *element"], z: Float[Tensor, "n m"]) -> Float[Tensor, "n obs m"]:
        """Latents ``z_{t+1} = rho(g_t) z_t``, the first one included."""
        matrices = self(actions)
        latents = [z]
        for t in range(actions.shape[1]):
            latents.append(torch.einsum("nij,nj->ni", matrices[:, t], latents[-1]))
        return torch.stack(latents, dim=1)
