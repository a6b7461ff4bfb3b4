"""``GL(k) x| R^k``: a reverse step linearised at its state, ``x' = A(x) x + c``."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from symdiff.errors import ConfigError, GroupElementError
from symdiff.groups import FamilyOptions, GroupFamily, Linearisation
from symdiff.trajectories import Trajectories
from symdiff_affine.options import AffineOptions

SCALAR = ("gauge", "rho", "block", "exact", "power")
"""Options that are about scalar steps and their representations."""

DENSE = 256
"""Pixels up to which elements act on the whole image, and beyond which on a common subspace found in the run."""


class JacobianFamily(GroupFamily):
    """Elements ``(A | c)`` with A in GL(k), one a linearised reverse step; k is the number of pixels up to 256.

    An element is the tensor ``[k, k+1]`` of A and c side by side.
    """

    name = "affine"
    summary = "GL(k) x| R^k: each reverse step linearised at its state, x' = A(x) x + c"
    Options: ClassVar[type[FamilyOptions]] = AffineOptions
    actions_are_steps: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """The dimension k that elements act on."""
        pixels = math.prod(self.observation_shape)
        return pixels if pixels <= DENSE else min(pixels, self.options.subspace)

    @property
    def element_shape(self) -> tuple[int, ...]:
        """``(k, k+1)``."""
        return (self.size, self.size + 1)

    def linearisation(self) -> Linearisation:
        """As the options say."""
        chosen = self.options
        return Linearisation(chosen.levels, chosen.states, chosen.subspace, chosen.at == "mean")

    def caveats(self, trajectories: Trajectories) -> list[str]:
        """Options of the scalar steps that mean nothing here, and limited denoised images."""
        chosen = self.options.model_dump()
        scalar = [name for name in SCALAR if chosen[name] != AffineOptions.model_fields[name].default]
        found = [f"with linear=jacobian {', '.join(scalar)} has no effect"] if scalar else []
        if trajectories.info.get("clip"):
            found.append("x0hat was limited before each step: linear parts are of the model as it is, not limited")
        return found

    def identity(self) -> Tensor:
        """``(1 | 0)``."""
        return torch.eye(self.size, self.size + 1)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """``(A2 A1 | A2 c1 + c2)``."""
        A2 = g2[..., :-1]
        linear = A2 @ g1[..., :-1]
        return torch.cat([linear, A2 @ g1[..., -1:] + g2[..., -1:]], dim=-1)

    def inverse(self, g: Tensor) -> Tensor:
        """``(A^-1 | -A^-1 c)``; raises `GroupElementError` where A is singular."""
        inverse, info = torch.linalg.inv_ex(g[..., :-1])
        if bool((info != 0).any()):
            raise GroupElementError(
                f"the linear part of {int((info != 0).sum())} of {info.numel()} elements is singular",
                "leave these steps out: they are not in GL(k)",
            )
        return torch.cat([inverse, -inverse @ g[..., -1:]], dim=-1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """A near the identity, invertible with near certainty, and c of the size of steps on data of unit variance."""
        numbers = torch.randn(n, *self.element_shape, generator=generator)
        linear = torch.eye(self.size) + 0.1 * numbers[..., :-1] / self.size**0.5
        return torch.cat([linear, 0.3 * numbers[..., -1:]], dim=-1)

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """``(|h - 1|_F |h^-1 - 1|_F)^(1/2)`` with ``h = g1^-1 g2``: left-invariant, symmetric, 0 at equality alone."""
        h = self.compose(self.inverse(g1), g2)
        unit = self.identity().to(h)
        there, back = (h - unit).flatten(-2).norm(dim=-1), (self.inverse(h) - unit).flatten(-2).norm(dim=-1)
        return (there * back).sqrt()

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """``A x + c`` on flattened images.

        Raises
        ------
        ConfigError
            The images have more than 256 pixels: elements then act on coordinates in a subspace that a run finds.
        """
        shape = self.observation_shape
        if math.prod(shape) != self.size:
            raise ConfigError(
                f"elements of GL({self.size}) act on a subspace of images of {math.prod(shape)} numbers",
                "take coordinates in the basis of the run first",
            )
        flat = x.flatten(-3)[..., None]
        moved = g[..., :-1] @ flat + g[..., -1:]
        return moved[..., 0].unflatten(-1, shape)
