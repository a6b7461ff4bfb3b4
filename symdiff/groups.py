"""The group family: the one class a plugin author subclasses.

An element of a group is a tensor of coordinates ``[..., *element_shape]``; there are no element classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from symdiff.hae import HAE
from symdiff.representations import Representation
from symdiff.trajectories import Sequences, Trajectories

PLUGIN_API = 1
"""Version of the plugin contract. A plugin built for another version is refused as incompatible."""


class FamilyOptions(BaseModel):
    """Base of a family's ``Options``: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupFamily(ABC):
    """A group acting on observations, and the models that represent it.

    Subclasses give the class attributes `name` and `summary`, `element_shape`, the group
    (`identity`, `compose`, `inverse`, `sample`, `distance`) and the action (`act`); all else has a default.

    Parameters
    ----------
    observation_shape
        ``(C, H, W)`` of the states the group acts on.
    options
        An instance of the family's `Options`; its defaults if ``None``.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[FamilyOptions]] = FamilyOptions

    def __init__(self, observation_shape: tuple[int, int, int], options: Any = None) -> None:
        self.observation_shape = observation_shape
        self.options = options if options is not None else self.Options()

    # --- the group ----------------------------------------------------------------------------

    @property
    @abstractmethod
    def element_shape(self) -> tuple[int, ...]:
        """Shape of the coordinates of one element."""

    @abstractmethod
    def identity(self) -> Tensor:
        """The identity, one element without batch dimensions."""

    @abstractmethod
    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The product ``g2 g1``: g2 after g1."""

    @abstractmethod
    def inverse(self, g: Tensor) -> Tensor:
        """The inverse of every element."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` random elements ``[n, *element_shape]``."""

    @abstractmethod
    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """A distance between elements, zero only at equality; broadcasts over leading dimensions."""

    # --- the action ---------------------------------------------------------------------------

    @abstractmethod
    def act(self, g: Tensor, x: Tensor) -> Tensor:
        """The observations ``g . x``, x being ``[..., C, H, W]``."""
