"""A fixed random network with a closed inverse: what is told is no longer linear in what was done."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.worlds.base import Array

SEED = 20_230
LAYERS = 2
BEND = 2.0


class Scrambling:
    """``Q_2 s(Q_1 s(Q_0 a))`` with orthogonal Q and ``s(u) = asinh(BEND u) / BEND``, a bijection of R^k.

    The network is part of the world, not of a seed: all files of the world have the same.

    Parameters
    ----------
    size
        k.
    """

    def __init__(self, size: int) -> None:
        rng = np.random.default_rng(SEED)
        self.turns = [np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(LAYERS + 1)]

    def __call__(self, actions: Array) -> Array:
        """Scrambled actions ``[..., k]``."""
        values: Array = actions @ self.turns[0].T
        for turn in self.turns[1:]:
            values = np.arcsinh(BEND * values) / BEND @ turn.T
        return values

    def inverse(self, scrambled: Array) -> Array:
        """The actions that `scrambled` came from."""
        values = scrambled
        for turn in reversed(self.turns[1:]):
            values = np.sinh(BEND * (values @ turn)) / BEND
        unscrambled: Array = values @ self.turns[0]
        return unscrambled

    def description(self) -> dict[str, Any]:
        """Its formula and numbers."""
        formula = "Q_2 s(Q_1 s(Q_0 a)), s(u) = asinh(bend u) / bend"
        return {"formula": formula, "bend": BEND, "Q": [turn.tolist() for turn in self.turns]}
