"""Worlds whose group is a product of circles: positions on the torus, orientation, hue."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from symdiff.worlds.base import SIZE, Array, World
from symdiff.worlds.ellipse import as_bytes, placed, turned_ellipses
from symdiff.worlds.scrambling import Scrambling

STEPS = SIZE
"""Places on every circle: the 32 pixels, as many orientations, as many hues."""

REACH = 10
"""Places an action moves at most along each circle."""

UNIT = 2 * np.pi / STEPS
"""Radians from one place to the next."""


class CircleWorld(World):
    """Places on k circles, in whole numbers; actions are displacements in radians, in axes turned by 45 degrees.

    Parameters
    ----------
    smooth
        Anti-aliased images instead of binary ones.
    """

    circles: ClassVar[tuple[str, ...]]

    def __init__(self, smooth: bool = False) -> None:
        self.smooth = smooth

    def first(self, rng: np.random.Generator, n: int) -> Array:
        """Draw places uniformly."""
        return rng.integers(0, STEPS, (n, len(self.circles)))

    def moves(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw displacements uniformly from -10 to 10."""
        return rng.integers(-REACH, REACH + 1, (*shape, len(self.circles)))

    def moved(self, states: Array, moves: Array) -> Array:
        """Add, round the circle."""
        added: Array = (states + moves) % STEPS
        return added

    def actions(self, moves: Array) -> Array:
        """Displacements in radians: `axes` times those along the circles."""
        told: Array = UNIT * moves @ self.axes().T
        return told

    def factors(self, states: Array) -> Array:
        """Angles in [0, 2 pi)."""
        angles: Array = UNIT * states
        return angles

    def axes(self) -> NDArray[np.float64]:
        """The first two circles turned by 45 degrees into each other, then (where there is one) the third into both.

        Every column has entries on every axis, so that no coordinate of an action is that of one circle.
        """
        k, turn = len(self.circles), np.sqrt(0.5)
        axes = np.eye(k)
        for i in range(k - 1):
            plane = np.eye(k)
            plane[i : i + 2, i : i + 2] = [[turn, -turn], [turn, turn]]
            axes = plane @ axes
        return axes

    def description(self) -> dict[str, Any]:
        """The law: factors move by ``axes^T a``, modulo 2 pi."""
        return {
            "factors": list(self.circles),
            "law": "factors[t+1] = factors[t] + axes^T actions[t] modulo 2 pi",
            "axes": self.axes().tolist(),
            "steps": STEPS,
            "reach": REACH,
            "smooth": self.smooth,
        }

    def images(self, states: Array) -> NDArray[np.uint8]:
        """The ellipse at its places; circles after x and y are for subclasses."""
        ellipses = turned_ellipses(1, self.smooth)[np.zeros(len(states), int)]
        return as_bytes(placed(ellipses, states[:, 0], states[:, 1]))[:, None]


class Displaced(CircleWorld):
    """An ellipse moved about a torus."""

    name = "displaced"
    summary = "an ellipse moved on a 32 x 32 grid that wraps round; displacements in axes turned by 45 degrees"
    group = "SO(2)xSO(2)"
    circles = ("x", "y")


class Oriented(CircleWorld):
    """An ellipse moved about a torus and turned.

    Half a turn brings the ellipse back, so the third factor goes once round its circle in half a turn.
    """

    name = "oriented"
    summary = "the same, and the ellipse is turned; the third angle is twice its orientation"
    group = "SO(2)xSO(2)xSO(2)"
    circles = ("x", "y", "orientation")

    def images(self, states: Array) -> NDArray[np.uint8]:
        """The ellipse at its places, in its orientation."""
        ellipses = turned_ellipses(STEPS, self.smooth)[states[:, 2]]
        return as_bytes(placed(ellipses, states[:, 0], states[:, 1]))[:, None]


class Scrambled(CircleWorld):
    """An ellipse moved about a torus and coloured, its actions told through a fixed random network."""

    name = "scrambled"
    summary = "the first with a hue, in three channels; actions pass through a fixed random invertible network"
    group = "SO(2)xSO(2)xSO(2)"
    circles = ("x", "y", "hue")

    def __init__(self, smooth: bool = False) -> None:
        super().__init__(smooth)
        self.scrambling = Scrambling(len(self.circles))

    def actions(self, moves: Array) -> Array:
        """Displacements as the network gives them."""
        return self.scrambling(super().actions(moves))

    def images(self, states: Array) -> NDArray[np.uint8]:
        """The ellipse at its places, in its colour on black."""
        ellipses = placed(turned_ellipses(1, self.smooth)[np.zeros(len(states), int)], states[:, 0], states[:, 1])
        return as_bytes(colours(states[:, 2] / STEPS)[:, :, None, None] * ellipses[:, None])

    def description(self) -> dict[str, Any]:
        """The law, with the network the actions came through."""
        law = "factors[t+1] = factors[t] + axes^T unscrambled(actions[t]) modulo 2 pi"
        return super().description() | {"law": law, "scrambling": self.scrambling.description()}


def colours(hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """Red, green and blue ``[n, 3]`` of hues ``[n]`` in turns, one harmonic each, so that no two hues are alike."""
    thirds = np.arange(3) / 3
    shades: NDArray[np.float64] = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] - thirds))
    return shades
