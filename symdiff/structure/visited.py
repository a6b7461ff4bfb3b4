"""How the latents of a data set spread over the blocks of a decomposition."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.decomposition import Block
from symdiff.diagnostics.gauge import RELATIVE_TOLERANCE

ROWS = 8
"""Most directions that are shown of all blocks together."""

STILL = 1e-6
"""Share of the latents' variance below which nothing moves along a direction."""


class Visit(NamedTuple):
    """What the latents do in one block.

    Attributes
    ----------
    share
        Of the latents' variance, all blocks together having 1.
    dimensions
        Directions of the block that the latents span; 0 if the encoder never maps to it.
    """

    share: float
    dimensions: int


class Direction(NamedTuple):
    """A direction of the latent space within one layer of one block.

    Attributes
    ----------
    block
        Index of the block.
    layer
        Index of the layer of its flag: 0 is the first invariant subspace, and all of a block without a flag.
    vector
        ``[m]``, one standard deviation of the latents long.
    variance
        Of the latents along it.
    """

    block: int
    layer: int
    vector: Float[Tensor, " m"]
    variance: float


@torch.no_grad()
def visits(latents: Float[Tensor, "n m"], basis: Float[Tensor, "m m"], blocks: tuple[Block, ...]) -> list[Visit]:
    """The share of every block in the latents' variance, and how much of it they span."""
    coordinates = torch.linalg.solve(basis, latents.T).T
    variances, spectra = [], []
    for block in blocks:
        part = _part(coordinates, basis, _columns(block.columns))
        variances.append(float(part.var(0, correction=0).sum()))
        spectra.append(torch.linalg.eigvalsh(part.T @ part / len(part)).clamp_min(0).sqrt())
    largest = max(float(spectrum[-1]) for spectrum in spectra)
    total = max(sum(variances), torch.finfo(latents.dtype).tiny)
    return [
        Visit(variance / total, int((spectrum > RELATIVE_TOLERANCE * largest).sum()) if largest > 0 else 0)
        for variance, spectrum in zip(variances, spectra, strict=True)
    ]


@torch.no_grad()
def directions(
    latents: Float[Tensor, "n m"], basis: Float[Tensor, "m m"], blocks: tuple[Block, ...], most: int = ROWS
) -> list[Direction]:
    """The directions in which the latents move most: one of every block, then further ones while there is room.

    The blocks of largest variance come first and every direction stays in one layer of its block's flag, so that
    moving along it shows what that layer alone does.
    """
    coordinates = torch.linalg.solve(basis, latents.T).T
    best: list[Direction] = []
    others: list[Direction] = []
    for index, block in enumerate(blocks):
        found: list[Direction] = []
        for layer, (first, stop) in enumerate(pairwise((0, *(block.flag or (block.dim,))))):
            columns = _columns(tuple((start + first, start + stop) for start, _ in block.columns))
            values, vectors = torch.linalg.eigh(torch.cov(_part(coordinates, basis, columns).T))
            top = zip(values.flip(0)[:most].tolist(), vectors.T.flip(0)[:most], strict=True)
            found += [Direction(index, layer, max(v, 0.0) ** 0.5 * vector, v) for v, vector in top]
        found.sort(key=lambda direction: -direction.variance)
        best.append(found[0])
        others += found[1:]
    total = sum(direction.variance for direction in (*best, *others))
    chosen = sorted(best, key=lambda direction: -direction.variance)[:most]
    chosen += sorted(others, key=lambda direction: -direction.variance)[: most - len(chosen)]
    return sorted(
        (direction for direction in chosen if direction.variance > STILL * total),
        key=lambda direction: (direction.block, -direction.variance),
    )


def _columns(ranges: tuple[tuple[int, int], ...]) -> list[int]:
    return [column for start, stop in ranges for column in range(start, stop)]


def _part(coordinates: Tensor, basis: Tensor, columns: list[int]) -> Tensor:
    """The part of the latents in the span of some columns of the basis, ``[n, m]``."""
    return coordinates[:, columns] @ basis[:, columns].T
