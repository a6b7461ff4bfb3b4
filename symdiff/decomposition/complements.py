"""Which complement is taken where many are invariant: the one that leans least against the rest.

If a summand V maps into the others by a homomorphism H, then ``{v + H v}`` is invariant as well and serves as well.
Cuts give any of them. One that leans far blows noise up, until it hides what is seen of one that does not.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from symdiff.decomposition.commutant import DENSE, Noise, all_intertwiners
from symdiff.decomposition.sylvester import Part

_SWEEPS = 32
_STILL = 1e-9


def straightened(matrices: Tensor, parts: list[Part], noise: Noise) -> list[Part]:
    """The parts of a direct sum, each moved along its homomorphisms to the others until it leans least.

    That is, until its orthonormal basis is orthogonal to what they make of it, in the coordinates the matrices
    ``[K, m, m]`` are given in. Homomorphisms of large parts are not looked for.
    """
    maps: dict[tuple[int, int], Tensor] = {}
    for (j, target), (i, source) in permutations(enumerate(parts), 2):
        if target.dim * source.dim <= DENSE:
            found = all_intertwiners(target, source, noise).found
            if len(found):
                maps[j, i] = found
    if not maps:
        return parts
    columns = [part.columns for part in parts]
    for _ in range(_SWEEPS):
        if max(_straighten(i, columns, maps) for i in sorted({i for _, i in maps})) < _STILL:
            break
    rows = torch.linalg.inv(torch.cat(columns, 1)).split([part.dim for part in parts])
    return [Part.of(matrices, own, dual) for own, dual in zip(columns, rows, strict=True)]


def _straighten(i: int, columns: list[Tensor], maps: dict[tuple[int, int], Tensor]) -> float:
    """Move one part, in place; how far. Its basis stays orthonormal, and the maps are told in the new one."""
    images = torch.cat([columns[j] @ found for (j, source), found in maps.items() if source == i])
    shift = -torch.linalg.lstsq(images.flatten(1).T, columns[i].flatten()[:, None]).solution
    moved = torch.einsum("n,nmd->md", shift[:, 0], images)
    columns[i], turn = torch.linalg.qr(columns[i] + moved)
    for pair, found in maps.items():
        if pair[0] == i:
            maps[pair] = turn @ found
        elif pair[1] == i:
            maps[pair] = torch.linalg.solve(turn, found, left=False)
    return float(moved.norm())
