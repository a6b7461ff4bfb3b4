"""Direct sums of irreps, and splitting a given orthogonal representation into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.irreps import Irrep, matrices

VANISHES = 1e-9
"""An intertwiner of at most this norm is rounding."""


@dataclass(frozen=True)
class Fields:
    """A direct sum of irreps: vectors ``[..., dimension]`` hold copy after copy of each irrep.

    Attributes
    ----------
    group
        The group.
    parts
        Irreps with their multiplicities, in the order of the vector; no irrep twice, no multiplicity 0.
    """

    group: PlaneGroup
    parts: tuple[tuple[Irrep, int], ...]

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return sum(irrep.size * count for irrep, count in self.parts)

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """Dimension of every copy in order."""
        return tuple(irrep.size for irrep, count in self.parts for _ in range(count))

    def count(self, irrep: Irrep) -> int:
        """Multiplicity of an irrep."""
        return dict(self.parts).get(irrep, 0)

    def split(self, vector: Shaped[Tensor, "*batch n"]) -> Iterator[tuple[Irrep, Shaped[Tensor, "*batch copies s"]]]:
        """The copies of every irrep."""
        start = 0
        for irrep, count in self.parts:
            stop = start + count * irrep.size
            yield irrep, vector[..., start:stop].unflatten(-1, (count, irrep.size))
            start = stop

    def times(self, n: int) -> Fields:
        """Every multiplicity times `n`."""
        return Fields(self.group, tuple((irrep, n * count) for irrep, count in self.parts))

    def act(self, g: Float[Tensor, "*#b 2 2"], vector: Float[Tensor, "*#b n"]) -> Float[Tensor, "*b n"]:
        """The elements `g` acting on vectors."""
        moved = []
        for irrep, copies in self.split(vector):
            matrix = matrices(self.group, irrep, g)
            turned = copies * matrix if irrep.size == 1 else copies @ matrix.mT
            moved.append(turned.flatten(-2))
        return torch.cat(moved, dim=-1)

    def __str__(self) -> str:
        """``5 x irrep_0,0 (dimension 1, type R) + ...``."""
        return " + ".join(f"{count} x {i.name} (dimension {i.size}, type {i.type})" for i, count in self.parts)


def intertwiners(
    representation: Float[Tensor, "order n n"], irrep: Float[Tensor, "order s s"]
) -> Float[Tensor, "copies n s"]:
    """The copies of an irrep in an orthogonal representation of a finite group, as orthonormal columns.

    ``T = sum_g P(g) M psi(g)^T`` intertwines for any M, and its columns are orthogonal and of one length because
    ``T^T T`` commutes with psi and is symmetric (Serre 1977, "Linear Representations of Finite Groups", section 2.2).
    M runs over single entries, what earlier copies span being removed; so the columns stay on few pixels.
    """
    n, s = representation.shape[-1], irrep.shape[-1]
    found = representation.new_zeros(n, 0)
    copies = []
    for i in range(n):
        for a in range(s):
            T = torch.einsum("gn,gs->ns", representation[:, :, i], irrep[:, :, a]) / len(irrep)
            T = T - found @ (found.T @ T)
            size = float(T.norm()) / s**0.5
            if size > VANISHES:
                T = T / size
                T = T - found @ (found.T @ T)  # once more: the first removal leaves rounding of the size of T
                copies.append(T)
                found = torch.cat([found, T], dim=1)
    return torch.stack(copies) if copies else representation.new_zeros(0, n, s)


def counted(group: PlaneGroup, copies: Iterable[Irrep], order: Sequence[Irrep]) -> Fields:
    """The direct sum of single copies, its parts in the order of `order`."""
    counts = Counter(copies)
    return Fields(group, tuple((irrep, counts[irrep]) for irrep in order if counts[irrep]))
