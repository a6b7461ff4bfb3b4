"""Small synthetic worlds: images moved by known actions, on which it is known what a model has to find.

The kind of worlds on which the homomorphism autoencoder was shown (Keurti et al. 2023, section 5), made here from
formulas: nothing is downloaded, and a seed gives the same bytes again.
"""

from __future__ import annotations

from symdiff.worlds.archive import save_world
from symdiff.worlds.base import Episodes, World
from symdiff.worlds.names import WORLDS, make_world, world

__all__ = ["WORLDS", "Episodes", "World", "make_world", "save_world", "world"]
