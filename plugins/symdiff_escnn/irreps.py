"""The real irreducible representations of the groups: escnn's, evaluated on whole batches of elements.

Names, types and the order are escnn's; the matrices are written out here because escnn's take one element at a time
(that they agree is tested).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff_escnn.elements import PlaneGroup, circle
from symdiff_escnn.library import plane_group


@dataclass(frozen=True)
class Irrep:
    """An irreducible real representation.

    Attributes
    ----------
    id
        escnn's: ``(frequency,)``, or ``(reflection frequency, frequency)`` for groups with reflections.
    name
        escnn's: ``irrep_1``, ``irrep_1,2``.
    size
        Dimension.
    type
        R, C or H: what commutes with it. (No group of the plane has type H.)
    """

    id: tuple[int, ...]
    name: str
    size: int
    type: str

    @property
    def frequency(self) -> int:
        """How many times it turns while the plane turns once."""
        return self.id[-1]

    @property
    def trivial(self) -> bool:
        """Whether every element acts as 1."""
        return not any(self.id)

    @property
    def commutant(self) -> int:
        """Dimension of the commutant: 1 for type R, 2 for C."""
        return {"R": 1, "C": 2, "H": 4}[self.type]

    @property
    def in_regular(self) -> int:
        """How many times it is in the regular representation."""
        return self.size // self.commutant


@lru_cache(maxsize=64)
def irreps(group: PlaneGroup, frequencies: int) -> tuple[Irrep, ...]:
    """All irreps of a finite group, those up to a frequency of a continuous one; the trivial one first."""
    found = plane_group(group.kind, group.order, frequencies)
    ids = [irrep.id for irrep in found.irreps()] if group.finite else found.bl_irreps(frequencies)
    each = [found.irrep(*i) for i in sorted(set(ids), key=lambda i: (found.irrep(*i).size, i))]
    return tuple(Irrep(tuple(map(int, irrep.id)), irrep.name, irrep.size, irrep.type) for irrep in each)


@lru_cache(maxsize=256)
def endomorphisms(group: PlaneGroup, irrep: Irrep) -> Float[Tensor, "e s s"]:
    """A basis of the commutant of the irrep: 1, and for type C a quarter turn."""
    found = plane_group(group.kind, group.order, irrep.frequency).irrep(*irrep.id).endomorphism_basis()
    return torch.tensor(found.copy(), dtype=torch.float64)


def matrices(group: PlaneGroup, irrep: Irrep, g: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch s s"]:
    """The irrep of elements."""
    k = irrep.frequency
    if group.finite:  # whole turns are dropped before the cosine is taken: exact at quarter turns, no drift
        turn, flipped = group.turn(g)
        power = circle(group.order, g.device)[(k * turn) % group.order]
        cos, sin = power.real.to(g), power.imag.to(g)
    else:
        angle, flipped = group.polar(g)
        cos, sin = (k * angle).cos(), (k * angle).sin()
    sign = torch.where(flipped, -1.0, 1.0).to(g)
    if irrep.size == 1:
        value = cos * sign if len(irrep.id) == 2 and irrep.id[0] == 1 else cos
        return value[..., None, None]
    matrix: Tensor = torch.stack([cos, -sin * sign, sin, cos * sign], -1).unflatten(-1, (2, 2))
    return matrix


def characters(group: PlaneGroup, irrep: Irrep, g: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch"]:
    """Traces of `matrices`."""
    return matrices(group, irrep, g).diagonal(dim1=-2, dim2=-1).sum(-1)
