"""What a third party would write: two families that learn from observed turns, and a world of such turns.

A state is two angles; an action turns both. What is observed of them is a fixed linear image of their cosines and
sines, so that a linear encoder and rotations of two planes explain everything.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symdiff.errors import SequencesError, UnknownLawError
from symdiff.groups import GroupFamily
from symdiff.representations import LieRepresentation, Representation
from symdiff.trajectories import ObservedSequences, Sequences, Trajectories

ANGLES = 6
"""Values that an angle takes, so that products of actions are observed as well."""


class Turns(GroupFamily):
    """Turns by observed angles, which add."""

    name = "turns"
    summary = "turns by observed angles"
    actions_are_observed: ClassVar[bool] = True
    element_shape = (2,)
    seen: ObservedSequences | None = None

    def for_recording(self, recording: Trajectories) -> GroupFamily:
        if not isinstance(recording, ObservedSequences):
            raise SequencesError("turns are observed", "give sequences:FILE")
        self.element_shape = tuple(recording.actions.shape[2:])
        self.seen = recording
        return self

    def identity(self) -> Tensor:
        return torch.zeros(self.element_shape)

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        return g2 + g1

    def inverse(self, g: Tensor) -> Tensor:
        return -g

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        assert self.seen is not None
        flat = self.seen.actions.flatten(0, 1)
        return flat[torch.randint(len(flat), (n,), generator=generator)]

    def distance(self, g1: Tensor, g2: Tensor) -> Tensor:
        return (g1 - g2).norm(dim=-1)

    def act(self, g: Tensor, x: Tensor) -> Tensor:
        raise UnknownLawError("a turn acts on what it was observed on, and on nothing else")

    def log(self, g: Tensor) -> Tensor:
        return g

    def exp(self, X: Tensor) -> Tensor:
        return X

    def bracket(self, X: Tensor, Y: Tensor) -> Tensor:
        return torch.zeros_like(X)

    def latent_dimension(self, requested: int | None) -> int:
        return requested or 4

    def representation(self, latent: int) -> Representation:
        rho = LieRepresentation(self.log, self.bracket, self.element_shape[0], self.block_sizes(latent))
        rho.form = "lie"
        return rho

    def block_sizes(self, latent: int) -> tuple[int, ...]:
        return (latent,)

    def sequences(
        self, trajectories: Trajectories, length: int, n: int, generator: torch.Generator | None = None
    ) -> Sequences:
        assert isinstance(trajectories, ObservedSequences)
        return trajectories.windows(length, n, generator)


class LawlessTurns(Turns):
    """The same to somebody who does not know that angles add."""

    name = "lawless"
    law_known: ClassVar[bool] = False

    def identity(self) -> Tensor:
        raise UnknownLawError("the group law is not known")

    def compose(self, g2: Tensor, g1: Tensor) -> Tensor:
        raise UnknownLawError("the group law is not known")

    def inverse(self, g: Tensor) -> Tensor:
        raise UnknownLawError("the group law is not known")


def observed_turns(
    sequences: int = 40, length: int = 6, seed: int = 0, noise: float = 0.0
) -> dict[str, NDArray[np.generic]]:
    """Arrays of a file: observations ``[B, N+1, 8]``, actions in axes turned by 45 degrees, and both angles."""
    rng = np.random.default_rng(seed)
    start = rng.integers(ANGLES, size=(sequences, 1, 2))
    moves = rng.integers(-2, 3, size=(sequences, length, 2))
    place = np.concatenate([start, start + moves.cumsum(1)], axis=1) % ANGLES
    angles = 2 * math.pi / ANGLES * place
    waves = np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(*angles.shape[:2], 4)
    image = np.linalg.qr(np.random.default_rng(7).standard_normal((8, 8)))[0][:4]
    observations = waves @ image + noise * rng.standard_normal((*angles.shape[:2], 8))
    turned = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)
    return {
        "observations": observations.astype(np.float32),
        "actions": (2 * math.pi / ANGLES * moves @ turned.T).astype(np.float32),
        "factors": angles.astype(np.float32),
    }


def write(file: Path, **changes: NDArray[np.generic] | None) -> str:
    """Write such a file, with arrays exchanged or left out, and return the MODEL it is."""
    arrays = {**observed_turns(), **changes}
    np.savez(file, **{key: array for key, array in arrays.items() if array is not None})
    return f"sequences:{file}"
