"""Intervals: how far a figure may be from its expectation, given what it was averaged over.

A diagnostic is a ratio of means, ``sum numerator / sum denominator``, over units that are not all independent. Treating
the cells of an (x, g) table or the pairs (g1, g2) as independent gives nominal 95% intervals that cover 20-50%; the
functions here resample the independent units instead.

References: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007 (two-way tables); Arvesen,
"Jackknifing U-statistics", Annals of Mathematical Statistics 40(6), 1969 (pairs).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

Interval = tuple[float, float]

LEVEL = 0.95
FEWEST = 16
"""With fewer independent units than this every interval here covers less than its nominal level."""


def cautions(*reasons: str | None) -> str | None:
    """The reasons that apply, as one text; ``None`` if there are none."""
    return "; ".join(reason for reason in reasons if reason) or None


def few_units(count: int, unit: str = "distinct group elements") -> str | None:
    """The caution that `count` independent units are too few for an interval to be trusted."""
    return f"only {count} {unit}: the interval covers less than it claims" if count < FEWEST else None


def root(interval: Interval | None) -> Interval | None:
    """The interval of the square root of a non-negative figure."""
    return interval and (math.sqrt(max(interval[0], 0.0)), math.sqrt(max(interval[1], 0.0)))


def complement(interval: Interval | None) -> Interval | None:
    """The interval of one minus a figure."""
    return interval and (1 - interval[1], 1 - interval[0])


def trajectory_bootstrap(
    numerator: Float[Tensor, " n"],
    denominator: Float[Tensor, " n"],
    unit: Int[Tensor, " n"],
    *,
    seed: int = 0,
    replicates: int = 400,
    level: float = LEVEL,
) -> Interval | None:
    """Percentile interval of ``sum numerator / sum denominator``, whole units (trajectories) being resampled.

    Returns ``None`` where there are fewer than two units.
    """
    _, index = torch.unique(unit, return_inverse=True)
    count = int(index.max()) + 1
    table = numerator.new_zeros(2, count).index_add_(1, index, torch.stack([numerator, denominator]))
    if count < 2:
        return None
    weights = _multiplicities(count, replicates, seed).to(table)
    top, bottom = table @ weights.T
    return _percentiles(top / bottom, level)


def two_way_bootstrap(
    numerator: Float[Tensor, "rows columns"],
    denominator: Float[Tensor, "rows columns"],
    *,
    seed: int = 0,
    replicates: int = 400,
    level: float = LEVEL,
) -> Interval | None:
    """Pigeonhole-bootstrap interval of ``sum numerator / sum denominator`` of a table (x, g).

    Rows and columns are resampled independently of each other; empty cells carry zeros. Returns ``None`` where there
    are fewer than two rows or columns.
    """
    rows, columns = numerator.shape
    if min(rows, columns) < 2:
        return None
    row_weights = _multiplicities(rows, replicates, seed).to(numerator)
    column_weights = _multiplicities(columns, replicates, seed + 1).to(numerator)
    top = ((row_weights @ numerator) * column_weights).sum(1)
    bottom = ((row_weights @ denominator) * column_weights).sum(1)
    return _percentiles(top / bottom, level)


def pair_jackknife(
    numerator: Float[Tensor, "k k"],
    denominator: Float[Tensor, "k k"],
    *,
    square_root: bool = False,
    level: float = LEVEL,
) -> tuple[float, Interval | None]:
    """Ratio of two U-statistics over ordered pairs of distinct elements, with the delete-one-element jackknife.

    Parameters
    ----------
    numerator, denominator
        ``[K, K]``: the terms of pair (i, j). The diagonal is ignored.
    square_root
        Give ``sqrt(sum numerator / sum denominator)``; its interval is cut at 0.
    level
        Nominal coverage, from Student's t with K - 1 degrees of freedom.
    """
    top, bottom = (table - torch.diag(table.diagonal()) for table in (numerator, denominator))
    return _jackknife(top.sum(0) + top.sum(1), bottom.sum(0) + bottom.sum(1), 0.5, square_root, level)


def element_jackknife(
    numerator: Float[Tensor, " k"],
    denominator: Float[Tensor, " k"] | None = None,
    *,
    square_root: bool = False,
    level: float = LEVEL,
) -> tuple[float, Interval | None]:
    """Ratio of sums over elements (a mean where `denominator` is ``None``), with the delete-one-element jackknife."""
    bottom = torch.ones_like(numerator) if denominator is None else denominator
    return _jackknife(numerator, bottom, 1.0, square_root, level)


def mean_interval(values: Float[Tensor, " n"], extra_variance: float = 0.0, *, level: float = LEVEL) -> Interval | None:
    """Interval of a mean over independent units, from Student's t, with the variance of another source added.

    Returns ``None`` where there are fewer than two units.
    """
    n = values.numel()
    if n < 2:
        return None
    half = float(special.stdtrit(n - 1, (1 + level) / 2)) * math.sqrt(float(values.var()) / n + extra_variance)
    mean = float(values.mean())
    return mean - half, mean + half


def delete_one(value: float, without: Float[Tensor, " k"], *, level: float = LEVEL) -> Interval | None:
    """Jackknife interval of a figure, given the same figure with one of its k units left out at a time.

    Returns ``None`` where there are fewer than three units.
    """
    k = without.numel()
    if k < 3 or not bool(torch.isfinite(without).all()):
        return None
    error = math.sqrt((k - 1) * float(without.var(correction=0)))
    half = float(special.stdtrit(k - 1, (1 + level) / 2)) * error
    return value - half, value + half


def _jackknife(
    numerator: Tensor, denominator: Tensor, share: float, square_root: bool, level: float
) -> tuple[float, Interval | None]:
    """Jackknife of a ratio of totals, `numerator[k]` being what the totals lose with element k.

    `share` is what one element's loss counts in the total: 1/2 where a term belongs to two elements.
    """
    top, bottom = share * numerator.sum(), share * denominator.sum()
    value, without = top / bottom, (top - numerator) / (bottom - denominator)
    if square_root:
        value, without = value.clamp(min=0).sqrt(), without.clamp(min=0).sqrt()
    interval = delete_one(float(value), without, level=level)
    return float(value), (max(interval[0], 0.0), interval[1]) if interval and square_root else interval


@lru_cache(maxsize=8)
def _multiplicities(units: int, replicates: int, seed: int) -> Float[Tensor, "replicates units"]:
    """How often every unit is drawn in every bootstrap sample; kept, as many figures are resampled alike."""
    drawn = np.random.default_rng(seed).integers(units, size=(replicates, units))
    flat = drawn + units * np.arange(replicates)[:, None]
    counts = np.bincount(flat.ravel(), minlength=units * replicates)
    return torch.from_numpy(counts.reshape(replicates, units).astype(np.float64))


def _percentiles(replicates: Tensor, level: float) -> Interval | None:
    finite = replicates[torch.isfinite(replicates)].double()
    if finite.numel() == 0:
        return None
    tail = (1 - level) / 2
    low, high = torch.quantile(finite, torch.tensor([tail, 1 - tail], dtype=finite.dtype, device=finite.device))
    return float(low), float(high)
