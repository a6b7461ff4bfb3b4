"""Coordinates of images in which a group acts by its irreps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.errors import ConfigError
from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.fields import Fields, counted, intertwiners
from symdiff_escnn.irreps import Irrep, irreps, matrices
from symdiff_escnn.steerable import LARGEST_SIDE, pixel_coordinates, steerable


@dataclass(frozen=True)
class Coordinates:
    """Orthonormal coordinates of the images of one channel.

    Attributes
    ----------
    group
        The group.
    side
        Pixels across.
    fields
        The irreps, in the order of the columns.
    basis
        ``[pixels, n]``, Q, float64: orthonormal columns.
    complete
        Whether they span all images (subgroups of D4), and not only band-limited ones.
    smooth
        Irreps of single copies, those of the smoothest functions first: the order in which a latent space is filled.
    """

    group: PlaneGroup
    side: int
    fields: Fields
    basis: Float[Tensor, "p n"]
    complete: bool
    smooth: tuple[Irrep, ...]

    def of_channels(self, channels: int) -> tuple[Fields, Int[Tensor, " n"]]:
        """The fields of images of several channels, and where their coordinates lie among those channel by channel."""
        places = torch.arange(channels * self.fields.dimension).unflatten(0, (channels, -1))
        each = [copies.flatten(1) for _, copies in self.fields.split(places)]
        return self.fields.times(channels), torch.cat([part.flatten() for part in each])


@lru_cache(maxsize=16)
def coordinates(group: PlaneGroup, side: int, band: float) -> Coordinates:
    """The coordinates of a group on images of `side` x `side` pixels.

    Raises
    ------
    ConfigError
        The image is too small or too large.
    """
    return _of_permutations(group, side) if group.on_square else _of_steerable(group, side, band)


def permutations(group: PlaneGroup, side: int) -> Int[Tensor, "order p"]:
    """For every element of a subgroup of D4, the pixel whose value each pixel takes: ``(g x)(p) = x(g^-1 p)``."""
    x, y = pixel_coordinates(side)
    sources = torch.einsum("gji,jp->gip", group.elements, torch.stack([x, y]))  # g^T = g^-1
    column = (sources[:, 0] + (side - 1) / 2).round().long()
    row = ((side - 1) / 2 - sources[:, 1]).round().long()
    return row * side + column


def _of_permutations(group: PlaneGroup, side: int) -> Coordinates:
    """Every orbit of pixels splits by itself."""
    if side > LARGEST_SIDE:
        raise ConfigError(
            f"images of {side} x {side} pixels are too large for {group.name}: their coordinates are a dense matrix",
            f"up to {LARGEST_SIDE} x {LARGEST_SIDE} pixels are handled",
        )
    kinds = irreps(group, 0)
    values = [matrices(group, irrep, group.elements) for irrep in kinds]
    source = permutations(group, side)
    place = source.argsort(1)  # where each pixel goes
    pixels = torch.arange(side * side)
    splits: dict[bytes, list[tuple[Irrep, Tensor]]] = {}  # many orbits are permuted alike
    copies: list[tuple[Irrep, Tensor, Tensor]] = []
    for first in pixels[place.amin(0) == pixels]:
        orbit = place[:, first].unique()
        local = (place[:, orbit, None] == orbit).mT  # [order, to, from]
        key = local.numpy().tobytes()
        if key not in splits:
            splits[key] = _split(local.double(), kinds, values)
        copies += [(irrep, orbit, T) for irrep, T in splits[key]]
    fields = counted(group, [irrep for irrep, _, _ in copies], kinds)
    basis, start = torch.zeros(side * side, side * side, dtype=torch.float64), 0
    for irrep, orbit, T in sorted(copies, key=lambda copy: kinds.index(copy[0])):
        basis[orbit, start : start + irrep.size] = T
        start += irrep.size
    smooth = _smooth(group, side)
    rest = Counter(dict(fields.parts)) - Counter(smooth)
    return Coordinates(group, side, fields, basis, True, (*smooth, *rest.elements()))


def _smooth(group: PlaneGroup, side: int) -> tuple[Irrep, ...]:
    """The irreps of band-limited functions; none known on images too small for these."""
    try:
        return _of_steerable(group, side, 1.0).smooth
    except ConfigError:
        return ()


def _of_steerable(group: PlaneGroup, side: int, band: float) -> Coordinates:
    found = steerable(side, band)
    top = max(mode.frequency for mode in found.modes)
    kinds = irreps(group, top)
    copies: list[tuple[Irrep, Tensor]] = []
    start = 0
    for mode in found.modes:
        size = 1 if mode.frequency == 0 else 2
        columns = found.basis[:, start : start + size]
        copies += [(irrep, columns @ T) for irrep, T in _of_frequency(group, kinds, mode.frequency)]
        start += size
    fields = counted(group, [irrep for irrep, _ in copies], kinds)
    basis = torch.cat([columns for _, columns in sorted(copies, key=lambda copy: kinds.index(copy[0]))], dim=1)
    return Coordinates(group, side, fields, basis, False, tuple(irrep for irrep, _ in copies))


def _of_frequency(group: PlaneGroup, kinds: tuple[Irrep, ...], k: int) -> list[tuple[Irrep, Float[Tensor, "n s"]]]:
    """How the cosine and sine of one frequency split: not at all in SO(2) and O(2)."""
    if not group.finite:
        size = 1 if k == 0 else 2
        [irrep] = [kind for kind in kinds if kind.frequency == k and (kind.trivial if k == 0 else kind.size == 2)]
        return [(irrep, torch.eye(size, dtype=torch.float64))]
    full = PlaneGroup("O2" if group.reflects else "SO2", 0)
    turning = next(kind for kind in irreps(full, k) if kind.frequency == k and (kind.trivial or k))
    representation = matrices(full, turning, group.elements)
    return _split(representation, kinds, [matrices(group, irrep, group.elements) for irrep in kinds])


def _split(
    representation: Float[Tensor, "order n n"], kinds: Sequence[Irrep], values: Sequence[Tensor]
) -> list[tuple[Irrep, Float[Tensor, "n s"]]]:
    """The copies of all irreps in a representation."""
    return [(irrep, T) for irrep, value in zip(kinds, values, strict=True) for T in intertwiners(representation, value)]
