"""Which elements of a group are tried on a model, on which states, and how many of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from symdiff.diffusion import Denoiser
from symdiff.diffusion.denoisers.closed_form import ClosedFormDenoiser
from symdiff.diffusion.denoisers.symmetrized import Symmetrized
from symdiff.diffusion.schedule import Time
from symdiff.groups import GroupFamily

SAME = 1e-5
"""Elements closer than this are the same."""

AT_ONCE = 2**23
"""Numbers in the moved images of one level, for the fewest trajectories."""

FEWEST_ELEMENTS = 4

DRAWS = 8
"""Elements drawn for every one that is wanted: small groups give the same ones again."""


@dataclass(frozen=True)
class Budget:
    """What is spent on the symmetry of a model.

    Attributes
    ----------
    levels, elements
        Noise levels, and elements other than the identity, at most.
    numbers
        Numbers in all images the model is asked for, which settles how many trajectories there are.
    fewest, most
        Trajectories at least and at most.
    replicates
        Of bootstraps.
    """

    levels: int = 10
    elements: int = 24
    numbers: int = 2**24
    fewest: int = 4
    most: int = 64
    replicates: int = 400

    @classmethod
    def thoroughly(cls) -> Budget:
        """Four times as much."""
        return cls(levels=20, elements=48, numbers=2**26, most=128, replicates=1600)

    def elements_of(self, pixels: int) -> int:
        """How many elements: fewer where images are so large that those of all elements would not fit in memory."""
        return max(min(AT_ONCE // (self.fewest * pixels), self.elements), FEWEST_ELEMENTS)

    def trajectories(self, elements: int, pixels: int, calls: int) -> int:
        """How many trajectories can be looked at, when each takes so many calls with every element."""
        return min(max(self.numbers // (calls * (elements + 1) * pixels), self.fewest), self.most)


class Elements(NamedTuple):
    """Elements other than the identity.

    Attributes
    ----------
    values
        ``[n, *element_shape]``; none if the group is trivial.
    complete
        Whether their average is that over the group, so that nothing is left to chance.
    """

    values: Shaped[Tensor, "n *element"]
    complete: bool

    def __len__(self) -> int:
        return len(self.values)

    def names(self, family: GroupFamily) -> list[str]:
        """What the family calls each."""
        return [family.element_name(value) for value in self.values]


def tried_elements(family: GroupFamily, most: int, seed: int) -> Elements:
    """All elements but the identity where the family gives so few, evenly chosen ones of more, else a sample."""
    identity = family.identity()
    given = family.haar_elements()
    if given is not None:
        others = given[family.distance(identity[None].to(given), given) > SAME]
        if len(others) <= most:
            return Elements(others, complete=True)
        chosen = torch.linspace(0, len(others) - 1, most).round().long()
        return Elements(others[chosen], complete=False)
    drawn = family.sample(DRAWS * most, torch.Generator().manual_seed(seed))
    distinct: list[Tensor] = [identity.to(drawn)]
    for g in drawn:
        if bool((family.distance(torch.stack(distinct), g[None]) > SAME).all()):
            distinct.append(g)
        if len(distinct) > most:
            break
    return Elements(torch.stack(distinct[1:]) if distinct[1:] else drawn[:0], complete=False)


def partial(family: GroupFamily, x: Tensor) -> bool:
    """Whether the group leaves out a part of some of these images, or moves it inexactly."""
    share = family.interpolation_error(x)
    return share is not None and bool((share != 0).any())


def exchanged(family: GroupFamily, x: Tensor) -> Tensor:
    """Each image with the part that the group does not move taken from another one."""
    return family.observed(x) + (x - family.observed(x)).roll(1, 0)


class Asked:
    """A model that is asked on its device.

    Attributes
    ----------
    device
        Where the model is.
    place
        Where groups act on its states: on the same device, unless it has no float64.
    """

    def __init__(self, denoiser: Denoiser, device: torch.device | str = "cpu") -> None:
        self.denoiser = denoiser.to(device)
        self.device = torch.device(device)
        self.place = torch.device("cpu") if self.device.type == "mps" else self.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the states it is asked at: float64 for closed forms, float32 otherwise."""
        inner = self.denoiser.inner if isinstance(self.denoiser, Symmetrized) else self.denoiser
        exact = self.device.type == "cpu" and isinstance(inner, ClosedFormDenoiser)
        return torch.float64 if exact else torch.float32

    @torch.no_grad()
    def __call__(self, x: Tensor, t: Time) -> Tensor:
        """``x0hat(x, t)``."""
        return self.denoiser.denoise(x.to(self.device), t).to(x)
