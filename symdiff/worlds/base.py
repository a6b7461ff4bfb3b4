"""What every world has in common: states, actions that move them, and images of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

SIZE = 32
"""Pixels along a side of every image."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Episodes:
    """B sequences of N actions and the N+1 images they lead through.

    Attributes
    ----------
    observations
        ``[B, N+1, C, 32, 32]``, uint8.
    actions
        ``[B, N, A]``, float32: what an agent is told of its moves.
    factors
        ``[B, N+1, F]``, float32: the true state, angles in radians or flattened rotation matrices.
    meta
        Plain data: the world, its group and its law in words and numbers.
    """

    observations: NDArray[np.uint8]
    actions: NDArray[np.float32]
    factors: NDArray[np.float32]
    meta: dict[str, Any]


class World(ABC):
    """A group that acts on states of which images are made.

    A *state* ``[..., S]`` and a *move* ``[..., M]`` are what the world computes with, exact where they can be; factors
    and actions are what is written of them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    group: ClassVar[str]

    @abstractmethod
    def first(self, rng: np.random.Generator, n: int) -> Array:
        """Draw `n` states uniformly over the orbit."""

    @abstractmethod
    def moves(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw moves ``[*shape, M]``."""

    @abstractmethod
    def moved(self, states: Array, moves: Array) -> Array:
        """Return the states that `moves` lead to."""

    @abstractmethod
    def images(self, states: Array) -> NDArray[np.uint8]:
        """Images ``[n, C, 32, 32]`` of states ``[n, S]``."""

    @abstractmethod
    def actions(self, moves: Array) -> Array:
        """What an agent is told of `moves`, ``[..., A]``."""

    @abstractmethod
    def factors(self, states: Array) -> Array:
        """The true factors of the states, ``[..., F]``."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Plain data: names of the factors, the law, and the numbers it needs."""

    def episodes(self, sequences: int, length: int, seed: int = 0) -> Episodes:
        """`sequences` sequences of `length` moves, every one from a state of its own.

        Parameters
        ----------
        sequences, length
            B and N, at least 1.
        seed
            The same seed gives the same numbers.
        """
        rng = np.random.default_rng(seed)
        states = [self.first(rng, sequences)]
        moves = self.moves(rng, (sequences, length))
        for t in range(length):
            states.append(self.moved(states[-1], moves[:, t]))
        path = np.stack(states, axis=1)
        images = self.images(path.reshape(-1, path.shape[-1]))
        meta = {"schema": "symdiff.world/1", "world": self.name, "group": self.group, "seed": seed}
        return Episodes(
            observations=images.reshape(sequences, length + 1, *images.shape[1:]),
            actions=self.actions(moves).astype(np.float32),
            factors=self.factors(path).astype(np.float32),
            meta=meta | self.description(),
        )
