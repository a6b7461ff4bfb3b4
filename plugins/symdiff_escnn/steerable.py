"""Band-limited functions on the disc, sampled on pixels: what can be turned by any angle without interpolation.

``J_k(root r/R) cos(k psi)`` and ``... sin(k psi)``, the Fourier-Bessel functions of the disc of radius R that touches
the sides of the image, `root` running over the zeros of J_k up to the Nyquist limit ``pi R`` (Zhao, Shkolnisky, Singer
2016, "Fast steerable principal component analysis", section II). psi is counted from the y axis, so that the mirror
``x -> -x`` is ``psi -> -psi``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import ConfigError

WELL_CONDITIONED = 0.1
"""Smallest eigenvalue of the Gram matrix of the (normalised) samples. Below the Nyquist limit sampled functions are
nearly orthogonal; near it they begin to repeat each other on the pixels, and orthonormal combinations of what remains
of their difference would be no rotation of anything any more. At 0.1 these combinations are longer than the functions
they are made of by a factor of 3 at most."""

SMALLEST_SIDE = 4
"""Images of fewer pixels across hold no band-limited function but the mean and a slope."""

LARGEST_SIDE = 64
"""The basis is a dense matrix of as many rows as pixels: 4096 x 4096 at this size."""


class Mode(NamedTuple):
    """A pair of functions of one frequency and one radial profile; a single one at frequency 0."""

    frequency: int
    root: float


class Steerable(NamedTuple):
    """Steerable functions on the pixels of a square image.

    Attributes
    ----------
    modes
        In the order of their roots.
    samples
        ``[pixels, n]``, B: columns of unit norm, of every mode the cosine and then the sine.
    basis
        ``[pixels, n]``, Q = B (B^T B)^(-1/2): the nearest orthonormal columns (Löwdin), turned by the same matrices.
    """

    modes: tuple[Mode, ...]
    samples: Float[Tensor, "p n"]
    basis: Float[Tensor, "p n"]


def pixel_coordinates(side: int) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Positions of the centres of the pixels, x to the right and y up from the centre of the image."""
    steps = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    return x.flatten(), y.flatten()


def modes_below(limit: float) -> list[Mode]:
    """All modes with roots up to `limit`, in the order of their roots."""
    from scipy.special import jn_zeros

    found = []
    for k in range(math.ceil(limit) + 1):  # the first zero of J_k lies above k
        found += [Mode(k, float(root)) for root in jn_zeros(k, math.ceil(limit / math.pi) + 1) if root <= limit]
    return sorted(found, key=lambda mode: (mode.root, mode.frequency))


@lru_cache(maxsize=16)
def steerable(side: int, band: float) -> Steerable:
    """The steerable functions of an image of `side` x `side` pixels.

    Parameters
    ----------
    side
        Pixels across.
    band
        Share of the Nyquist limit that is kept, in (0, 1].

    Raises
    ------
    ConfigError
        The image is too small or too large, or the band holds no function that turns.
    """
    if not SMALLEST_SIDE <= side <= LARGEST_SIDE:
        raise ConfigError(
            f"images of {side} x {side} pixels cannot be turned by any angle here",
            f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels across are handled"
            + ("; for small images take a group of quarter turns: C4, D4" if side < SMALLEST_SIDE else ""),
        )
    modes = modes_below(math.pi * side / 2 * band)
    samples = torch.cat([_sampled(mode, side) for mode in modes] or [torch.zeros(side * side, 0)], dim=1)
    ends = torch.tensor([1 if mode.frequency == 0 else 2 for mode in modes]).cumsum(0).tolist()
    count = _well_conditioned(samples, ends)
    kept = tuple(modes[:count])
    if not any(mode.frequency for mode in kept):
        raise ConfigError(
            f"band {band:g} holds no function that turns on {side} x {side} pixels", "raise -o band, up to 1"
        )
    samples = samples[:, : ends[count - 1]]
    values, vectors = torch.linalg.eigh(samples.T @ samples)
    return Steerable(kept, samples, samples @ (vectors * values.rsqrt()) @ vectors.T)


def _well_conditioned(samples: Float[Tensor, "p n"], ends: list[int]) -> int:
    """How many modes can be kept: eigenvalues interlace, so the smallest falls as modes are added."""

    def fits(count: int) -> bool:
        part = samples[:, : ends[count - 1]]
        return float(torch.linalg.eigvalsh(part.T @ part)[0]) >= WELL_CONDITIONED

    low, high = 0, len(ends)
    middle = high  # below the Nyquist limit all of them
    while low < high:
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
        middle = (low + high + 1) // 2
    return low


def _sampled(mode: Mode, side: int) -> Float[Tensor, "p n"]:
    from scipy.special import jv

    x, y = pixel_coordinates(side)
    radius, psi = torch.hypot(x, y), torch.atan2(-x, y)
    profile = torch.as_tensor(jv(mode.frequency, mode.root * (radius / (side / 2)).numpy()))
    profile = torch.where(radius <= side / 2, profile, 0.0)
    k = mode.frequency
    columns = [profile] if k == 0 else [profile * (k * psi).cos(), profile * (k * psi).sin()]
    matrix = torch.stack(columns, dim=1)
    normalised: Tensor = matrix / matrix.norm(dim=0)
    return normalised
