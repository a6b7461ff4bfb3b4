"""Matrix Lie groups with their exponential, logarithm and a left-invariant distance, many matrices at a time."""

from __future__ import annotations

from symdiff_geomstats.manifolds.base import Manifold
from symdiff_geomstats.manifolds.linear import GeneralLinear
from symdiff_geomstats.manifolds.rigid import RigidMotions
from symdiff_geomstats.manifolds.rotations import Rotations
from symdiff_geomstats.manifolds.scaled import ScaledRotations
from symdiff_geomstats.manifolds.triangular import Triangular

KINDS: dict[str, type[Manifold]] = {
    kind.name: kind for kind in (Rotations, RigidMotions, GeneralLinear, Triangular, ScaledRotations)
}


def manifold(name: str, n: int) -> Manifold:
    """The group called `name` (a key of `KINDS`) for n."""
    return KINDS[name](n)


__all__ = [
    "KINDS",
    "GeneralLinear",
    "Manifold",
    "RigidMotions",
    "Rotations",
    "ScaledRotations",
    "Triangular",
    "manifold",
]
