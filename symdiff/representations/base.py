"""What every representation has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.representations.orbit import orbit


class Representation(nn.Module, ABC):
    """A map from group elements to invertible matrices, block-diagonal.

    Subclasses set `form` and `block_sizes` and implement `blocks`.

    Attributes
    ----------
    form
        ``mlp``, ``lie``, ``lie-projected`` or ``exact``; ``lie-skew`` and ``mlp-skew`` where values are orthogonal.
    block_sizes
        Sizes of the diagonal blocks in order; they sum to the latent dimension m.
    """

    form: str
    block_sizes: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """Latent dimension m."""
        return sum(self.block_sizes)

    @abstractmethod
    def blocks(self, g: Tensor) -> list[Tensor]:
        """Diagonal blocks of the elements `g` ``[..., *element_shape]``, in order.

        Neighbouring blocks of one size b come as one tensor ``[..., k, b, b]``, so that they are handled in a batch.
        """

    def each_block(self, g: Tensor) -> Iterator[Float[Tensor, "*batch b b"]]:
        """Diagonal blocks of the elements `g` one after the other: what the plain algorithm goes through."""
        for group in self.blocks(g):
            yield from group.unbind(-3)

    def penalty(self, actions: Tensor) -> Float[Tensor, ""]:
        """How far the map is from being a homomorphism, as a term of the loss; 0 where it is one by construction.

        Parameters
        ----------
        actions
            Elements ``[n, *element_shape]`` of the batch, for forms that need some.
        """
        return actions.new_zeros(())

    def forward(self, g: Tensor) -> Float[Tensor, "*batch m m"]:
        """Dense matrices ``[..., m, m]`` of the elements `g` ``[..., *element_shape]``."""
        groups = self.blocks(g)
        matrix = groups[0].new_zeros(*groups[0].shape[:-3], self.dimension, self.dimension)
        start = 0
        for group in groups:
            k, b = group.shape[-3], group.shape[-1]
            stop = start + k * b
            window = matrix[..., start:stop, start:stop].unflatten(-1, (k, b)).unflatten(-3, (k, b))
            # window is [..., k, b, k, b]: its diagonal over the two block axes is [..., b, b, k].
            window.diagonal(dim1=-4, dim2=-2).copy_(group.movedim(-3, -1))
            start = stop
        return matrix

    def rollout(self, actions: Tensor, first: Float[Tensor, "n m"]) -> Float[Tensor, "n obs m"]:
        """Latents ``z_1 = first``, ``z_{t+1} = rho(g_t) z_t``: later elements multiply on the left.

        Parameters
        ----------
        actions
            ``[n, N, *element_shape]``.
        first
            Latents of the first observation.
        """
        groups = self.blocks(actions)
        ends = accumulate((group.shape[-3] * group.shape[-1] for group in groups), initial=0)
        parts = []
        for group, (start, stop) in zip(groups, pairwise(ends), strict=True):
            z = first[:, start:stop].unflatten(-1, (group.shape[-3], group.shape[-1]))
            parts.append(orbit(group, z).flatten(2))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def runs_of_equal_size(block_sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """``[(count, size), ...]`` of neighbouring blocks of one size: (2, 2, 3) gives [(2, 2), (1, 3)]."""
    runs: list[tuple[int, int]] = []
    for size in block_sizes:
        if runs and runs[-1][1] == size:
            runs[-1] = (runs[-1][0] + 1, size)
        else:
            runs.append((1, size))
    return runs
