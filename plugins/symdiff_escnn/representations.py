"""Representations of the groups: the direct sum of irreps, and the learned one of SO(2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.representations import LieRepresentation, Representation, matrix_exponential
from symdiff_escnn.fields import Fields
from symdiff_escnn.irreps import matrices


class IrrepRepresentation(Representation):
    """The direct sum of the irreps of a latent space: a homomorphism by construction, nothing in it is learned."""

    form = "exact"

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self.fields = fields
        self.block_sizes = fields.block_sizes

    def blocks(self, g: Tensor) -> list[Tensor]:
        """The irreps, those of one dimension together."""
        each = [
            matrices(self.fields.group, irrep, g).unsqueeze(-3).expand(*g.shape[:-2], count, irrep.size, irrep.size)
            for irrep, count in self.fields.parts
        ]
        return [torch.cat(list(run), dim=-3) for _, run in groupby(each, key=lambda block: block.shape[-1])]


class PeriodicRepresentation(LieRepresentation):
    """``rho = exp(M angle)`` of SO(2), with a penalty on the failure of a full turn to be the identity.

    SO(2) is not simply connected: ``exp(M angle)`` is a homomorphism only if also ``exp(2 pi M) = 1``, that is if M
    turns planes by whole numbers. Brackets say nothing here, there is one generator.
    """

    def __init__(
        self,
        log: Callable[[Tensor], Tensor],
        bracket: Callable[[Tensor, Tensor], Tensor],
        block_sizes: tuple[int, ...],
    ) -> None:
        super().__init__(log, bracket, 1, block_sizes)

    @torch.no_grad()
    def turn_by(self, frequencies: Sequence[int]) -> None:
        """Set every block to turn by a frequency while the plane turns once; blocks of one dimension stand still."""
        start = 0
        for generators, (count, size) in zip(self.generators, self._runs, strict=True):
            k = torch.tensor([float(f) for f in frequencies[start : start + count]])
            turn = torch.tensor([0.0, -1.0, 1.0, 0.0]) if size == 2 else torch.zeros(size * size)
            generators.copy_(k[:, None, None] * turn)
            start += count

    def full_turn(self) -> list[Float[Tensor, "k b b"]]:
        """``exp(2 pi M)`` of every block."""
        return [
            matrix_exponential(2 * math.pi * generators[:, 0].unflatten(-1, (size, size)))
            for generators, (_, size) in zip(self.generators, self._runs, strict=True)
        ]

    def penalty(self, actions: Tensor) -> Float[Tensor, ""]:
        """``|exp(2 pi M) - 1|^2``, summed over blocks."""
        del actions  # the law of the generator concerns the algebra alone
        return torch.stack(
            [(turn - torch.eye(turn.shape[-1]).to(turn)).square().sum() for turn in self.full_turn()]
        ).sum()

    @torch.no_grad()
    def bracket_error(self) -> float:
        """0: one generator commutes with itself."""
        return 0.0
