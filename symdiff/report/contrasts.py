"""The difference of two figures, and how sure it is: over paired seeds, over unpaired ones, or by their own intervals.

The three ways rest on different assumptions. Over seeds the spread is seen, and Student's t allows for how few there
are; a single run has its own interval only, which is over its held-out trajectories and taken as normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance
from typing import Literal

from scipy.special import ndtri, stdtr, stdtrit

How = Literal["paired", "welch", "intervals", "none"]


@dataclass(frozen=True)
class Contrast:
    """A figure less that of a reference.

    Attributes
    ----------
    difference
        In the unit of the figure.
    standard_error
        Its standard error; ``None`` where nothing says how it varies.
    freedom
        Degrees of freedom of Student's t; infinite for the normal distribution.
    how
        ``paired`` over seeds that both have, ``welch`` over seeds of each, ``intervals`` from the intervals of two
        runs, ``none`` without a standard error.
    n
        Values the figure and its reference rest on: both the number of pairs where seeds are paired.
    """

    difference: float
    standard_error: float | None = None
    freedom: float = math.inf
    how: How = "none"
    n: tuple[int, int] = (1, 1)

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Where the true difference is at `level`, or ``None`` without a standard error."""
        if self.standard_error is None:
            return None
        half = _quantile(self.freedom, (1 + level) / 2) * self.standard_error
        return self.difference - half, self.difference + half

    def probability_better(self, better: Literal["lower", "higher"]) -> float | None:
        """How probable it is that the true difference is on the better side of 0, before which nothing was known of it.

        The distribution of the true difference is t about the difference found, scaled by its standard error: what a
        flat prior makes of normal data. Without any spread it is 1, 0, or one half where there is no difference.
        """
        if self.standard_error is None:
            return None
        towards = -self.difference if better == "lower" else self.difference
        if self.standard_error == 0:
            return 0.5 if towards == 0 else float(towards > 0)
        return _cumulative(self.freedom, towards / self.standard_error)


def over_seeds(values: Mapping[int, float], reference: Mapping[int, float], *, pair: bool) -> Contrast:
    """Return the difference of two figures over seeds.

    Parameters
    ----------
    values, reference
        The figure by seed; neither is empty.
    pair
        The same seed means the same trajectories, so that what it adds to both cancels. Two seeds in common suffice,
        and the rest are left out; with fewer the seeds are compared unpaired.

    Returns
    -------
    Contrast
        Student's t of the differences of pairs, or Welch's t, with his degrees of freedom, of two samples [1]_.

    References
    ----------
    .. [1] B. L. Welch. The generalization of "Student's" problem when several different population variances are
       involved. Biometrika 34, 28-35, 1947.
    """
    shared = [seed for seed in values if seed in reference]
    if pair and len(shared) > 1:
        differences = [values[seed] - reference[seed] for seed in shared]
        error = stdev(differences) / math.sqrt(len(shared))
        return Contrast(fmean(differences), error, float(len(shared) - 1), "paired", (len(shared), len(shared)))
    return welch(list(values.values()), list(reference.values()))


def welch(values: Sequence[float], reference: Sequence[float]) -> Contrast:
    """Return the difference of two means, their spreads not taken as equal; one value has no spread."""
    difference, n = fmean(values) - fmean(reference), (len(values), len(reference))
    if min(n) < 2:
        return Contrast(difference, n=n)
    parts = [variance(sample) / len(sample) for sample in (values, reference)]
    total = sum(parts)
    # By the shares of the two, which cannot underflow as their squares can.
    shares = [part / total for part in parts] if total > 0 else [0.0, 0.0]
    below = sum(share**2 / (size - 1) for share, size in zip(shares, n, strict=True))
    return Contrast(difference, math.sqrt(total), 1 / below if below else math.inf, "welch", n)


def of_intervals(
    value: float,
    interval: tuple[float | None, float | None] | None,
    reference: float,
    reference_interval: tuple[float | None, float | None] | None,
    level: float,
) -> Contrast:
    """Return the difference of two runs, each interval taken as that of a normal estimate independent of the other.

    Parameters
    ----------
    value, reference
        The figures.
    interval, reference_interval
        Their intervals at `level`. Where one is missing or open there is no standard error.
    """
    errors = [standard_error(ends, level) for ends in (interval, reference_interval)]
    if errors[0] is None or errors[1] is None:
        return Contrast(value - reference)
    return Contrast(value - reference, math.hypot(errors[0], errors[1]), how="intervals")


def standard_error(interval: tuple[float | None, float | None] | None, level: float) -> float | None:
    """Return the standard error a normal estimate with this interval has: half its width, in units of the quantile."""
    if interval is None or interval[0] is None or interval[1] is None:
        return None
    return (interval[1] - interval[0]) / 2 / float(ndtri((1 + level) / 2))


def _quantile(freedom: float, probability: float) -> float:
    return float(ndtri(probability) if math.isinf(freedom) else stdtrit(freedom, probability))


def _cumulative(freedom: float, at: float) -> float:
    return 0.5 * math.erfc(-at / math.sqrt(2)) if math.isinf(freedom) else float(stdtr(freedom, at))
