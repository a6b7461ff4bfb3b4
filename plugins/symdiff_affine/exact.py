"""Representations of the affine group that are homomorphisms by construction, and the encoders they suit.

Every one is built from ``rho(a, v) = [[a I, P v], [0, 1]]`` with a linear P: the encoder ``h(x) = (P x, 1)`` is
exactly equivariant under it, since ``h(a x + v) = (a P x + P v, 1)``.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from symdiff.affine_steps import ExactRepresentation
from symdiff.hae import Encoder
from symdiff.representations import Representation


class SymmetricPower(Representation):
    """The p-th symmetric power of ``[[a I_k, P v], [0, 1]]``: it acts on the monomials of degree p in ``(P x, 1)``.

    Parameters
    ----------
    projection
        P, ``[k, d]``.
    power
        p.
    """

    form = "exact"

    def __init__(self, projection: Tensor, power: int) -> None:
        super().__init__()
        self.base = ExactRepresentation(projection, (len(projection) + 1,))
        self.power = power
        n = self.base.dimension
        self.block_sizes = (len(monomials(n, power)),)
        rows = [_index(word, n) for word in monomials(n, power)]
        collapse = torch.zeros(n**power, len(rows))
        place = {word: j for j, word in enumerate(monomials(n, power))}
        for flat in range(n**power):
            word = tuple(sorted(flat // n**i % n for i in range(power)))
            collapse[flat, place[word]] = 1
        self.rows: Tensor
        self.collapse: Tensor
        self.register_buffer("rows", torch.tensor(rows))
        self.register_buffer("collapse", collapse)

    def blocks(self, g: Tensor) -> list[Tensor]:
        """One block: the Kronecker power, rows of one word a monomial, columns added over its orderings."""
        matrix = self.base(g)
        result = matrix
        for _ in range(self.power - 1):
            result = torch.einsum("...ij,...kl->...ikjl", result, matrix).flatten(-4, -3).flatten(-2)
        return [(result[..., self.rows, :] @ self.collapse.to(result)).unsqueeze(-3)]


class MonomialEncoder(nn.Module):
    """``h(x)``: the monomials of degree p in ``(U x, 1)``, plus a learned perceptron.

    Parameters
    ----------
    projection
        U, ``[k, d]``.
    power
        p.
    observation_shape, hidden
        As for `Encoder`.
    """

    def __init__(self, projection: Tensor, power: int, observation_shape: tuple[int, int, int], hidden: int) -> None:
        super().__init__()
        words = monomials(len(projection) + 1, power)
        self.lift = nn.Parameter(projection.clone())
        self.words: Tensor
        self.register_buffer("words", torch.tensor(words))
        self.network = Encoder(observation_shape, len(words), hidden).network

    def forward(self, observations: Tensor) -> Tensor:
        """Latents of observations ``[..., C, H, W]``."""
        x = observations.flatten(-3)
        u = x @ self.lift.T
        homogeneous = torch.cat([u, torch.ones_like(u[..., :1])], dim=-1)
        learned: Tensor = self.network(x)
        return homogeneous[..., self.words].prod(-1) + learned


def monomials(n: int, power: int) -> list[tuple[int, ...]]:
    """Monomials of degree `power` in n variables, each a sorted word of their indices."""
    return list(combinations_with_replacement(range(n), power))


def _index(word: tuple[int, ...], n: int) -> int:
    value = 0
    for letter in word:
        value = value * n + letter
    return value
