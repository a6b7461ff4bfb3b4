"""The groups of rotations and reflections of the plane, and arithmetic with their elements.

An element is an orthogonal 2 x 2 matrix on the plane, x to the right and y up. A rotation is counter-clockwise; every
reflection is a rotation after the mirror ``x -> -x``: ``g = R(angle) diag(-1, 1)``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MOST_ROTATIONS = 64
"""Largest N: the regular representation of D_64 has dimension 128, as wide as the hidden layers; beyond, SO(2) and O(2)
say the same on images of any practical size."""

ACCEPTED = "C4, D4 or any C_N and D_N, SO2, O2"

Kind = Literal["C", "D", "SO2", "O2"]


def parse_group(text: str) -> str:
    """The group's name in one spelling: ``C4`` for c4, C_4 and the like, ``SO2`` for SO(2).

    Raises
    ------
    ValueError
        It names none of these groups.
    """
    name = re.sub(r"[\s_()]", "", text).upper()
    if name in ("SO2", "O2"):
        return name
    found = re.fullmatch(r"([CD])(\d+)", name)
    if found is None:
        raise ValueError(f"must be one of {ACCEPTED}")
    order = int(found[2])
    if not 1 <= order <= MOST_ROTATIONS:
        raise ValueError(f"must have N from 1 to {MOST_ROTATIONS}; for finer rotations take SO2 or O2")
    return f"{found[1]}{order}"


class Polar(NamedTuple):
    """Elements as a rotation after, where `flipped`, the mirror ``x -> -x``."""

    angle: Float[Tensor, "*batch"]
    flipped: Bool[Tensor, "*batch"]


@dataclass(frozen=True)
class PlaneGroup:
    """One of C_N, D_N, SO(2), O(2).

    Attributes
    ----------
    kind
        Which.
    order
        Number of rotations N; 0 for SO(2) and O(2).
    """

    kind: Kind
    order: int

    @classmethod
    def named(cls, name: str) -> PlaneGroup:
        """The group of a name as `parse_group` returns it."""
        if name == "SO2":
            return cls("SO2", 0)
        if name == "O2":
            return cls("O2", 0)
        return cls("C" if name[0] == "C" else "D", int(name[1:]))

    @property
    def name(self) -> str:
        """``C4``, ``SO2``, ..."""
        return self.kind + (str(self.order) if self.finite else "")

    @property
    def finite(self) -> bool:
        """Whether it is C_N or D_N."""
        return self.order > 0

    @property
    def reflects(self) -> bool:
        """Whether it has reflections."""
        return self.kind in ("D", "O2")

    @property
    def on_square(self) -> bool:
        """Whether every element permutes the pixels of a square image."""
        return self.finite and 4 % self.order == 0

    @cached_property
    def elements(self) -> Float[Tensor, "n 2 2"]:
        """All elements of a finite group: the rotations by ``2 pi r/N`` in order, then the reflections."""
        turns = circle(self.order)
        rotations: Tensor = torch.stack([turns.real, -turns.imag, turns.imag, turns.real], -1).unflatten(-1, (2, 2))
        if not self.reflects:
            return rotations
        return torch.cat([rotations, rotations * torch.tensor([-1.0, 1.0], dtype=torch.float64)])

    def spaced(self, n: int) -> Float[Tensor, "m 2 2"]:
        """`n` equally spaced rotations of a continuous group and, for O(2), as many reflections."""
        return PlaneGroup("D" if self.reflects else "C", n).elements

    def polar(self, g: Float[Tensor, "*batch 2 2"]) -> Polar:
        """Angle in (-pi, pi] and whether the element is a reflection."""
        flipped = g[..., 0, 0] * g[..., 1, 1] - g[..., 0, 1] * g[..., 1, 0] < 0
        sign = torch.where(flipped, -1.0, 1.0).to(g)
        # + 0.0: a negative zero would make the half turn -pi
        return Polar(torch.atan2(sign * g[..., 1, 0] + 0.0, sign * g[..., 0, 0]), flipped)

    def turn(self, g: Float[Tensor, "*batch 2 2"]) -> tuple[Int[Tensor, "*batch"], Bool[Tensor, "*batch"]]:
        """The rotation, ``0 ... N-1``, of the nearest element of a finite group, and whether it is a reflection."""
        angle, flipped = self.polar(g)
        return (angle * (self.order / (2 * math.pi))).round().long() % self.order, flipped

    def index(self, g: Float[Tensor, "*batch 2 2"]) -> Int[Tensor, "*batch"]:
        """Place in `elements` of the nearest element of a finite group."""
        turn, flipped = self.turn(g)
        return turn + self.order * flipped.long()

    def compose(self, g2: Float[Tensor, "*#b 2 2"], g1: Float[Tensor, "*#b 2 2"]) -> Float[Tensor, "*b 2 2"]:
        """The product ``g2 g1``; in a finite group it is the exact element, so that long products do not drift."""
        return self.snapped(g2 @ g1)

    def snapped(self, g: Float[Tensor, "*batch 2 2"]) -> Float[Tensor, "*batch 2 2"]:
        """The nearest element of a finite group; `g` itself otherwise."""
        return _elements(self, g.dtype, g.device)[self.index(g)] if self.finite else g

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n 2 2"]:
        """`n` elements, uniform under the Haar measure, in float64."""
        if self.finite:
            return self.elements[torch.randint(len(self.elements), (n,), generator=generator)]
        angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        g = rotation(angle)
        if not self.reflects:
            return g
        flip = torch.randint(2, (n, 1), generator=generator) * -2.0 + 1
        return g * torch.cat([flip, torch.ones_like(flip)], dim=1)[:, None].double()


@cache
def _elements(group: PlaneGroup, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "n 2 2"]:
    """The elements of a finite group; kept on the device, because a copy to it waits for it."""
    with torch.inference_mode(False):
        return group.elements.to(device, dtype, copy=True)


def rotation(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 2 2"]:
    """The counter-clockwise rotation by `angle`."""
    cos, sin = angle.cos(), angle.sin()
    matrix: Tensor = torch.stack([cos, -sin, sin, cos], -1).unflatten(-1, (2, 2))
    return matrix


def circle(n: int, device: torch.device | str = "cpu") -> Tensor:
    """``e^(2 pi i r/n)`` for r = 0 ... n-1, complex128, exact at quarter turns."""
    eighth = torch.arange(n, dtype=torch.float64, device=device) * (8.0 / n)
    values = torch.polar(torch.ones_like(eighth), eighth * (math.pi / 4))
    quarter = eighth % 2 == 0
    return torch.where(quarter, torch.complex(values.real.round(), values.imag.round()), values)
