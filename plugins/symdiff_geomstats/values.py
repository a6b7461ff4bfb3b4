"""The values of a trained representation on its manifold, as ``[..., k, s, s]``."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.errors import CutLocusError, NonFiniteError
from symdiff.representations import Representation
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.manifolds import Manifold
from symdiff_geomstats.representations import ManifoldLie, ManifoldMLP

UNDEFINED = (CutLocusError, NonFiniteError)
"""Why a geodesic figure may have no value: no logarithm, or a point so far out that it overflows."""

ENTRIES = 2**23
"""Numbers held at once: 64 MiB."""


def manifold_of(evaluation: Any) -> Manifold | None:
    """The manifold of the evaluated representation; ``None`` for those of other families."""
    rho = evaluation.representation
    if isinstance(evaluation.family, GeomstatsFamily) and isinstance(rho, ManifoldLie | ManifoldMLP):
        return rho.manifold
    return None


def values(rho: Representation, g: Shaped[Tensor, "*batch e"]) -> Float[Tensor, "*batch k s s"]:
    """Blocks of rho of every element, a few at a time: they are all of one size."""
    flat = g.reshape(-1, g.shape[-1])
    size = max(ENTRIES // max(flat.shape[-1], sum(b * b for b in rho.block_sizes)), 1)
    found = torch.cat([rho.blocks(piece)[0] for piece in torch.split(flat, size)])
    result: Tensor = found.unflatten(0, g.shape[:-1])
    return result


def squared_length(manifold: Manifold, A: Float[Tensor, "*batch k s s"]) -> Float[Tensor, "*batch"]:
    """Squared distance from the identity on the product of the blocks."""
    return manifold.length(A).square().sum(-1)
