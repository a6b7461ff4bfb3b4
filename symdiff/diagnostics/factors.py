"""D_LSBD against given factors: angles known of every observation, at whatever values were observed.

The figure is that of `symdiff.diagnostics.lsbd` (Tonnaer et al., ICML 2022, Definition 3), whose means over a grid of
angles become means over the observations, with one step replaced: what varies with one factor alone, the latents less
their mean over that factor at fixed others, is the latents less their regression on the others, on harmonics of each
and products of harmonics of each two. Every column of `factors` is taken as an angle in radians that goes round a
circle. On a full grid of angles and latents with no higher harmonics the two agree.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.intervals import cautions, delete_one, few_units
from symdiff.diagnostics.lsbd import FLAT, LARGEST_WEIGHT, planes_of
from symdiff.result import Estimate
from symdiff.trajectories import ObservedSequences

MOST = 4096
"""Observations that are looked at."""

HARMONICS = 4
ROWS_A_COLUMN = 5
"""Observations there are to be for each number of a regression; fewer harmonics are taken if need be."""

GAP = math.pi / 2
"""A factor that leaves out a larger part of the circle is not taken for an angle."""

GROUPS = 10
"""Groups of sequences left out in turn, for the interval."""


class Known(NamedTuple):
    """Latents beside what is known of the world: ``[n, m]``, ``[n, F]``, and which sequence each is from, ``[n]``."""

    latents: Float[Tensor, "n m"]
    factors: Float[Tensor, "n f"]
    sequence: Int[Tensor, " n"]


def known_factors(evaluation: Evaluation) -> Known | None:
    """Held-out observations with their factors, at most `MOST` spread over the sequences; ``None`` without any."""
    held_out = evaluation.trajectories
    if not isinstance(held_out, ObservedSequences) or held_out.factors is None:
        return None
    count, time = held_out.states.shape[:2]
    every = torch.arange(count * time)
    rows = every if len(every) <= MOST else torch.linspace(0, len(every) - 1, MOST).round().long()
    sequence, at, like = rows // time, rows % time, evaluation.sequences.observations
    # Regressions of deficient rank are solved on the CPU alone.
    latents = evaluation.encode(evaluation.family.observed(held_out.states[sequence, at]).to(like)).cpu()
    return Known(latents, held_out.factors[sequence, at].to(latents), sequence)


def lsbd_of_factors(evaluation: Evaluation) -> Estimate | None:
    """D_LSBD of the encoder against the factors of the file; ``None`` where there are none."""
    known = known_factors(evaluation)
    if known is None:
        return None
    straight = not_angles(known.factors)
    units = len(torch.unique(known.sequence))
    if straight:
        return Estimate(value=None, n=units, caution=f"{straight}: D_LSBD is for angles, in radians")
    found = [dispersion(known, index) for index in range(known.factors.shape[1])]
    if any(value is None for value, _ in found):
        return Estimate(value=None, n=units, caution=f"{len(known.latents)} observations are too few for a regression")
    value = _mean(known)
    shuffled = torch.randperm(len(known.factors), generator=torch.Generator().manual_seed(evaluation.seed))
    null = {
        "permuted": _mean(known._replace(factors=known.factors[shuffled])),
        "untrained": _mean(known_factors(evaluation.with_model(evaluation.untrained)) or known),
    }
    idle = [str(index + 1) for index, (_, weight) in enumerate(found) if weight == 0]
    return Estimate(
        value=value,
        interval=_interval(value, known),
        n=units,
        null=null,
        caution=cautions(
            f"the latents do not turn with the factor number {' and '.join(idle)}" if idle else None,
            few_units(units, "sequences"),
        ),
    )


def dispersion(known: Known, index: int) -> tuple[float | None, int]:
    """D_k of one factor and the weight at which the latents turn with it; 0 if they do not, ``None`` if unknown."""
    latents, angle = known.latents.double(), known.factors[:, index].double()
    others = torch.cat([known.factors[:, :index], known.factors[:, index + 1 :]], 1).double()
    n = len(latents)
    columns = _harmonics(others, n // ROWS_A_COLUMN)
    if columns is None:
        return None, 0
    own = _without(columns, latents)
    if float(own.square().sum()) <= FLAT * float(latents.square().sum()):
        return 1 - 1 / n, 0
    functional = planes_of((own.T @ own / n)[None])[0]
    weights = torch.tensor([w for w in range(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1) if w])
    turned = angle[:, None] * weights
    wave = torch.complex(_without(columns, turned.cos()), _without(columns, turned.sin()))  # as much is left of it
    along = wave.conj().T @ (own.to(functional.dtype) @ functional) / n
    power = along.abs().square() / wave.abs().square().mean(0).clamp_min(FLAT)
    best = int(power.argmax())
    return (1 - 1 / n) * max(1 - float(power[best]), 0.0), int(weights[best])


def not_angles(factors: Float[Tensor, "n f"]) -> str | None:
    """Which factors do not go round a circle; ``None`` if all of them do."""
    turned = (factors.double() % (2 * math.pi)).sort(0).values
    gaps = torch.cat([turned.diff(dim=0), turned[:1] + 2 * math.pi - turned[-1:]])
    straight = [str(i + 1) for i, gap in enumerate(gaps.amax(0).tolist()) if gap > GAP]
    if not straight:
        return None
    several = len(straight) > 1
    return f"factor{'s' * several} number {', '.join(straight)} {'do' if several else 'does'} not go round a circle"


def _without(columns: Float[Tensor, "n columns"], values: Float[Tensor, "n q"]) -> Float[Tensor, "n q"]:
    """What a regression on the columns leaves."""
    fitted: Tensor = columns @ torch.linalg.lstsq(columns, values, driver="gelsd").solution
    return values - fitted


def _mean(known: Known) -> float:
    values = [value for i in range(known.factors.shape[1]) if (value := dispersion(known, i)[0]) is not None]
    return sum(values) / max(len(values), 1)


def _interval(value: float, known: Known) -> tuple[float, float] | None:
    """Jackknife over groups of sequences."""
    group = known.sequence % GROUPS
    present = torch.unique(group)
    if len(present) < GROUPS:
        return None
    without = [_mean(Known(*(part[group != k] for part in known))) for k in present]
    ends = delete_one(value, torch.tensor(without, dtype=torch.float64))
    return ends and (max(ends[0], 0.0), min(ends[1], 1.0))


def _harmonics(angles: Float[Tensor, "n f"], most: int) -> Float[Tensor, "n columns"] | None:
    """1, cosines and sines of multiples of each angle, and products of those of two; at most `most` columns."""
    for highest in range(HARMONICS, 0, -1):
        each = [waves(angles[:, i], highest) for i in range(angles.shape[1])]
        pairs = [(a[:, :, None] * b[:, None]).flatten(1) for a, b in combinations(each, 2)]
        columns = torch.cat([torch.ones(len(angles), 1).to(angles), *each, *pairs], 1)
        if columns.shape[1] <= most:
            return columns
    return None


def waves(angle: Float[Tensor, " n"], highest: int) -> Float[Tensor, "n columns"]:
    """``cos(w angle)`` and ``sin(w angle)`` for w = 1 ... `highest`, side by side."""
    turned = angle[:, None] * torch.arange(1, highest + 1).to(angle)
    return torch.stack([turned.cos(), turned.sin()], -1).flatten(1)
