"""Is the encoder linearly disentangled with respect to known factors: D_LSBD for a torus ``SO(2) x ... x SO(2)``.

Reference: Tonnaer, Pérez Rey, Menkovski, Holenderski, Portegies, "Quantifying and Learning Linear Symmetry-Based
Disentanglement", ICML 2022. Their Definition 3, for data ``g x`` with g on a torus and latents ``z(g) = h(g x)``, is

    D_LSBD = inf over rho of  E_g | rho(g)^-1 z(g) - E_g' rho(g')^-1 z(g') |^2,

where rho is linearly disentangled (a sum of rho_k, each for one factor) and the norm makes every rho_k orthogonal with
``E|z_k|^2 = 1``. The infimum is computed as the authors do, factor by factor over a grid of equally spaced angles:

1. the mean over the factor's own angle is subtracted, which leaves what varies with that factor;
2. the two leading principal directions of what is left span Z_k; there the latents are scaled to ``E|z_k|^2 = 1`` with
   equal variances, which is the invariant inner product wherever Z_k is a rotation plane;
3. they are turned back by ``omega`` times the angle, and the least dispersion over integer weights omega is taken:
   ``D_k = (1 - 1/N)(1 - max_omega |E e^(-i omega theta) z_k|^2)``, N points in all (variances are unbiased, the
   dispersion is not: hence the first factor).

Like theirs this is an upper bound: where a factor turns several planes at different weights and with equal variances,
principal directions mix them.

Departures from the paper: the mean over factors is reported instead of their sum, so that 1 is the largest value
whatever their number; weights stop below half the number of angles, where a grid cannot tell them apart; and there may
be several base points x: rho is shared by all orbits, and the dispersion is the one within orbits.

Known values on a 64 x 64 grid: 0 for any invertible linear image of two planes rotated by one factor each, whatever
their frequency and multiplicity; about ``2 s^2/(1 + 2 s^2)`` with noise of standard deviation s on the unit circle;
0.9998, that is ``1 - 1/N``, where each plane is turned by both factors; about 0.999 for latents unrelated to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.intervals import Interval, cautions, delete_one, few_units
from symdiff.diagnostics.orbits import base_points, factor_grid, orbit_latents
from symdiff.result import Estimate

LARGEST_WEIGHT = 10

FLAT = 1e-12
"""Latents that vary by less than this share of their size do not depend on a factor."""


class FactorFit(NamedTuple):
    """The dispersion of one factor.

    Attributes
    ----------
    value
        D_k, in [0, 1].
    weight
        The weight at which the dispersion is least; 0 where the latents do not depend on the factor, or the grid has
        fewer than three angles.
    without
        D_k with one independent unit left out at a time: a base point, or where there is only one, a line of the grid
        along the factor.
    """

    value: float
    weight: int
    without: Float[Tensor, " units"]


def fit_factor(latents: Float[Tensor, "x other n m"]) -> FactorFit:
    """The dispersion of the factor whose n angles, equally spaced, run along the third axis.

    Parameters
    ----------
    latents
        ``[base points, other factors, angles, m]``.
    """
    count, others, n = latents.shape[:3]
    points = count * others * n
    weights = [w for w in range(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1) if 0 < abs(w) < n / 2]
    latents = latents.double()
    centred = latents - latents.mean(2, keepdim=True)
    flat = bool(centred.abs().max() <= FLAT * latents.abs().max())
    if flat or not weights:
        return FactorFit(1 - 1 / points, 0, latents.new_full((max(count, others),), 1 - 1 / points))
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    turned = -torch.tensor(weights)[:, None] * angles
    back = torch.polar(torch.ones_like(turned), turned).to(centred.device)
    if count > 1:  # orbits are the units; each has its own mean
        harmonics = torch.einsum("wn,xnm->xwm", back, centred.mean(1).to(back)) / n
        moments = torch.einsum("xonk,xonl->xkl", centred, centred) / (others * n)
        power = _power(harmonics, planes_of(moments.mean(0)[None]))[0].mean(0)
        each = _power(harmonics, planes_of(_left_out(moments)))
        without = _left_out_of_own(each)
    else:  # lines are the units; all share one mean
        lines = torch.einsum("wn,onm->owm", back, centred[0].to(back)) / n
        moments = torch.einsum("onk,onl->okl", centred[0], centred[0]) / n
        power = _power(lines.mean(0)[None], planes_of(moments.mean(0)[None]))[0, 0]
        planes = planes_of(_left_out(moments))
        without = torch.einsum("owm,om->ow", _left_out(lines), planes).abs().square()
    best = int(power.argmax())
    share = 1 - 1 / points
    return FactorFit(
        share * max(1 - float(power[best]), 0.0), weights[best], share * (1 - without.amax(1)).clamp(min=0)
    )


def planes_of(moments: Float[Tensor, "u m m"]) -> Complex[Tensor, "u m"]:
    """Functionals ``z -> z_1 + i z_2`` onto the two leading principal directions, each of variance 1/2."""
    variances, directions = torch.linalg.eigh(moments)
    if moments.shape[-1] == 1:
        variances, directions = (
            torch.cat([torch.zeros_like(part[..., :1]), part], -1) for part in (variances, directions)
        )
    top, second = variances[:, -1:], variances[:, -2:-1]
    there = second > FLAT * top  # otherwise the latents lie on a line and have one coordinate only
    scaled = torch.where(there, directions[..., -2] / (2 * second.clamp_min(FLAT * top)).sqrt(), 0)
    return torch.complex(directions[..., -1] / (2 * top).sqrt(), scaled)


def _power(harmonics: Complex[Tensor, "x w m"], planes: Complex[Tensor, "u m"]) -> Float[Tensor, "u x w"]:
    """``|E e^(-i omega theta) z_k|^2`` of every orbit, in every plane, at every weight."""
    return torch.einsum("xwm,um->uxw", harmonics, planes).abs().square()


def _left_out(terms: Tensor) -> Tensor:
    """Means over the first axis with one entry left out at a time."""
    return (terms.sum(0) - terms) / max(len(terms) - 1, 1)


def _left_out_of_own(terms: Float[Tensor, "x x w"]) -> Float[Tensor, "x w"]:
    """Row u averaged over all orbits but u."""
    return (terms.sum(1) - terms.diagonal(dim1=0, dim2=1).T) / (len(terms) - 1)


def lsbd(latents: Float[Tensor, "x *grid m"], names: Sequence[str] = (), seed: int = 0) -> Estimate:
    """D_LSBD of latents over a grid of known angles: 0 is disentangled, 1 is not.

    Parameters
    ----------
    latents
        ``[base points, n_1, ..., n_k, m]``: entry ``(x, j_1, ..., j_k)`` encodes base point x moved by the angles
        ``2 pi j_i/n_i``.
    names
        What the factors are called in a caution.
    seed
        Seed of the permutation.

    Returns
    -------
    Estimate
        Its interval is a delete-one jackknife over base points, or over lines of the grid where there is one base
        point (the factors then counted as fully dependent). Null ``permuted``: the angles of each factor exchanged
        within every line.
    """
    grids = [_along(latents, axis) for axis in range(1, latents.ndim - 1)]
    fits = [fit_factor(grid) for grid in grids]
    generator = torch.Generator().manual_seed(seed)
    shuffled = [fit_factor(_permuted(grid, generator)).value for grid in grids]
    value = sum(fit.value for fit in fits) / len(fits)
    count = len(latents)
    names = names or [f"number {index + 1}" for index in range(len(fits))]
    idle = [name for name, fit in zip(names, fits, strict=True) if fit.weight == 0]
    return Estimate(
        value=value,
        interval=_interval(value, fits, together=count > 1),
        n=count if count > 1 else min(len(fit.without) for fit in fits),
        null={"permuted": sum(shuffled) / len(shuffled)},
        caution=cautions(
            f"the latents do not turn with the factor {' and '.join(idle)}" if idle else None,
            few_units(count, "base observations") if count > 1 else "one base observation",
        ),
    )


def _along(latents: Tensor, axis: int) -> Float[Tensor, "x other n m"]:
    """The grid with one factor on the third axis and all others on the second."""
    return latents.movedim(axis, -2).flatten(1, -3) if latents.ndim > 3 else latents[:, None]


def _permuted(grid: Float[Tensor, "x other n m"], generator: torch.Generator) -> Float[Tensor, "x other n m"]:
    order = torch.rand(grid.shape[:-1], generator=generator).argsort(-1).to(grid.device)
    return grid.gather(2, order[..., None].expand_as(grid))


def _interval(value: float, fits: list[FactorFit], *, together: bool) -> Interval | None:
    """Delete-one jackknife; units of different factors are different unless they are left out `together`."""
    if together:
        found = delete_one(value, torch.stack([fit.without for fit in fits]).mean(0))
    else:
        single = [delete_one(fit.value, fit.without) for fit in fits]
        known = [ends for ends in single if ends is not None]
        half = sum(high - low for low, high in known) / 2 / len(fits)
        found = (value - half, value + half) if len(known) == len(fits) else None
    return found and (max(found[0], 0.0), min(found[1], 1.0))


# --- of a model -------------------------------------------------------------------------------


def d_lsbd(evaluation: Evaluation) -> Estimate | None:
    """D_LSBD of the encoder on held-out observations; ``None`` where the family knows no factors."""
    factors = evaluation.family.factors()
    if not factors:
        return None
    elements, angles = factor_grid(evaluation.family)
    base = base_points(evaluation, len(elements))

    def value(subject: Evaluation) -> Estimate:
        return lsbd(orbit_latents(subject, elements, base).unflatten(1, angles), list(factors), evaluation.seed)

    found = value(evaluation)
    others = {"untrained": evaluation.untrained, "pca": evaluation.reference}
    nulls = {name: value(evaluation.with_model(model)).value for name, model in others.items() if model is not None}
    return found.model_copy(update={"null": {**found.null, **nulls}})
