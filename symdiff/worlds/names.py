"""The worlds by name."""

from __future__ import annotations

from symdiff.errors import UsageError
from symdiff.nearest import did_you_mean
from symdiff.worlds.base import Episodes, World
from symdiff.worlds.circles import Displaced, Oriented, Scrambled
from symdiff.worlds.points import Points

WORLDS: dict[str, type[World]] = {kind.name: kind for kind in (Displaced, Oriented, Points, Scrambled)}


def world(name: str) -> World:
    """Return the world of this name.

    Raises
    ------
    UsageError
        There is none.
    """
    if name not in WORLDS:
        raise UsageError(f"there is no world {name!r}", did_you_mean(name, list(WORLDS)))
    return WORLDS[name]()


def make_world(name: str, sequences: int = 1000, length: int = 8, seed: int = 0) -> Episodes:
    """`sequences` sequences of `length` actions in the world `name`.

    Raises
    ------
    UsageError
        There is no such world, or a number is out of range.
    """
    for what, value, least in (("sequences", sequences, 1), ("length", length, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"{what} is {value}: must be at least {least}", f"for example --{what} {least}")
    return world(name).episodes(sequences, length, seed)
