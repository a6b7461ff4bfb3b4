"""A small cloud of points in space, turned about its centre and seen from one side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symdiff.worlds.base import SIZE, Array, World
from symdiff.worlds.ellipse import as_bytes
from symdiff.worlds.rotation import random_rotations, rotations

CLOUD = np.array([[10.5, 0, 0], [-3, 9.5, 0], [-4, -6.5, 7], [-2.5, -2, -11], [4, 6, 6.5], [5, -9, -2.5]])
"""Six points, pixels from the centre: no rotation but the identity takes the cloud to itself."""

WEIGHT = np.array([1.0, 0.85, 0.7, 1.0, 0.85, 0.7])
"""Their brightness."""

RADIUS = 1.8
"""Of a point half-way, in pixels; nearer ones are larger."""

DEPTH = 0.04
"""Growth of the radius by pixel towards the eye: front and back are told apart."""

MOST = np.pi / 3
"""Largest angle of an action in radians."""


class Points(World):
    """Rotations R of the cloud; an action is the rotation vector a of ``R' = exp(a) R``."""

    name = "points"
    summary = "a cloud of six points turned in space; actions are rotation vectors, of at most 60 degrees"
    group = "SO(3)"

    def first(self, rng: np.random.Generator, n: int) -> Array:
        """Draw rotations uniformly (Haar), flattened."""
        return random_rotations(rng, n).reshape(n, 9)

    def moves(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw rotation vectors: direction uniform, angle uniform up to 60 degrees."""
        direction = rng.normal(size=(*shape, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        vectors: Array = direction * rng.uniform(0, MOST, (*shape, 1))
        return vectors

    def moved(self, states: Array, moves: Array) -> Array:
        """Multiply on the left, ``R' = exp(a) R``."""
        turned: Array = (rotations(moves) @ states.reshape(*states.shape[:-1], 3, 3)).reshape(states.shape)
        return turned

    def images(self, states: Array) -> NDArray[np.uint8]:
        """Seen along the third axis: a soft disc for every point; the discs are added and cut at white."""
        image = np.zeros((len(states), SIZE, SIZE))
        turned = CLOUD @ states.reshape(-1, 3, 3).transpose(0, 2, 1)
        middle = (SIZE - 1) / 2
        along = np.arange(SIZE) - middle
        for i, weight in enumerate(WEIGHT):
            x, y, depth = turned[:, i].T
            radius = RADIUS * (1 + DEPTH * depth)
            across = np.exp(-0.5 * ((along - x[:, None]) / radius[:, None]) ** 2)
            down = np.exp(-0.5 * ((along - y[:, None]) / radius[:, None]) ** 2)
            image += weight * down[:, :, None] * across[:, None, :]
        return as_bytes(image.clip(0, 1))[:, None]

    def actions(self, moves: Array) -> Array:
        """The rotation vectors themselves."""
        return moves

    def factors(self, states: Array) -> Array:
        """Rotation matrices, flattened by rows."""
        return states

    def description(self) -> dict[str, Any]:
        """The law: matrices are multiplied on the left by the exponential of the action."""
        return {
            "factors": "rotation matrix R, flattened by rows",
            "law": "R[t+1] = exp(actions[t]) R[t], exp that of a rotation vector in radians",
            "largest_angle": float(MOST),
        }
