"""Observed actions whose law is known: they add, or they are rotations of space."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from symdiff.errors import ConfigError
from symdiff.groups import GroupFamily
from symdiff.trajectories import Trajectories
from symdiff_actions.family import ActionsFamily
from symdiff_actions.rotations import angle_between, product, within_half_a_turn


class AdditiveActions(ActionsFamily):
    """Vectors that add: ``R^A``, or a torus in coordinates that are lifted from it."""

    law_known: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """With the law."""
        return "the observed actions, which add as vectors"

    def identity(self) -> Tensor:
        """0."""
        return torch.zeros(self.size)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """The sum."""
        return g2 + g1

    def inverse(self, g: Tensor) -> Tensor:
        """The opposite."""
        return -g

    def log(self, g: Tensor) -> Tensor:
        """The vector itself."""
        return g

    def exp(self, X: Tensor) -> Tensor:
        """The vector itself."""
        return X

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """0: the group is abelian."""
        return torch.zeros_like(X + Y)


class RotationActions(ActionsFamily):
    """Rotations of space: axis times angle."""

    law_known: ClassVar[bool] = True
    size: int = 3

    @property
    def title(self) -> str:
        """With the law."""
        return "the observed actions, which are rotations of space"

    def for_recording(self, recording: Trajectories) -> GroupFamily:
        """As for any actions.

        Raises
        ------
        ConfigError
            The actions are not vectors of three numbers.
        """
        family = super().for_recording(recording)
        if family.element_shape != (3,):
            raise ConfigError(
                f"rotations are axis times angle, three numbers, and actions have {family.element_shape[0]}",
                "give -o law=unknown",
            )
        return family

    def identity(self) -> Tensor:
        """0."""
        return torch.zeros(3)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        """First g1, then g2; the angle is at most pi."""
        return product(g2, g1)

    def inverse(self, g: Tensor) -> Tensor:
        """The same angle the other way."""
        return -g

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        """The angle between them."""
        return angle_between(g1, g2)

    def features(self, g: Tensor) -> Tensor:
        """Axis times angle, the angle at most pi."""
        return within_half_a_turn(g)

    def log(self, g: Tensor) -> Tensor:
        """Axis times angle, the angle at most pi."""
        return within_half_a_turn(g)

    def exp(self, X: Tensor) -> Tensor:
        """The rotation about X by its length."""
        return within_half_a_turn(X)

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        """The cross product."""
        bracket: Tensor = torch.linalg.cross(*torch.broadcast_tensors(X, Y))
        return bracket
