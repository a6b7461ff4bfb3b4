"""Every k-th state of a run: which are kept, and what a recorded step is when several of the sampler's make one.

A recorded step is then the composite of the steps between two states that are kept. Its element is the product of
theirs, so gauges multiply. ``x' = P x + Q x0hat + s z`` holds for it only with x0hat held fixed along the way, which
gives the first-order form

    P = P_n ... P_1,    Q = sum_i (P_n ... P_{i+1}) Q_i,    s^2 = sum_i (P_n ... P_{i+1})^2 s_i^2,

the last being the variance of what the steps' noises add up to. For the posterior steps of DDPM this is the posterior
of the longer step, ``q(x_s | x_t, x_0)``; the true composite also moves with x0hat between the states that are kept.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor

from symdiff.diffusion import StepTable
from symdiff.errors import ConfigError


class Steps(NamedTuple):
    """What is the same for every trajectory of a recording; see `Trajectories` for the fields."""

    timesteps: Real[Tensor, " time"]
    alpha_bar: Float[Tensor, " time"]
    scale: Float[Tensor, " time"]
    state_coefficient: Float[Tensor, " steps"]
    denoised_coefficient: Float[Tensor, " steps"]
    noise_std: Float[Tensor, " steps"]
    gauges: dict[str, Float[Tensor, " steps"]]
    one_step: bool


def kept(steps: int, every: int) -> list[int]:
    """Indices of the states kept of a run of `steps` steps: 0, `every`, 2 `every`, ... and always the last.

    Raises
    ------
    ConfigError
        Unless ``1 <= every <= steps``.
    """
    if not 1 <= every <= steps:
        raise ConfigError(f"every is {every}", f"keep every k-th state with k from 1 to {steps}, the number of steps")
    return [*range(0, steps, every), steps]


def composite(table: StepTable, every: int) -> Steps:
    """The steps between the states kept: the table's own for ``every = 1``, composites otherwise.

    A gauge that is NaN, 0 or infinite at one of the steps makes the product so; 0 times infinity is NaN.

    Raises
    ------
    ConfigError
        Unless ``1 <= every <= steps``.
    """
    states = kept(table.steps, every)
    runs = list(pairwise(states))
    p, q, s = (
        torch.tensor(row, dtype=torch.float64) for row in zip(*(_affine(table, *run) for run in runs), strict=True)
    )
    gauges = {name: torch.stack([a[first:end].prod() for first, end in runs]) for name, a in table.gauges().items()}
    return Steps(
        timesteps=table.timesteps[states],
        alpha_bar=table.alpha_bar[states],
        scale=table.scale[states],
        state_coefficient=p,
        denoised_coefficient=q,
        noise_std=s,
        gauges=gauges,
        one_step=table.one_step and every == 1,
    )


def _affine(table: StepTable, first: int, end: int) -> tuple[float, float, float]:
    """P, Q and the standard deviation of steps `first` ... `end` - 1 with one x0hat for all of them."""
    p, q, s = (float(row[first]) for row in (table.P, table.Q, table.noise_std))
    for i in range(first + 1, end):
        here = float(table.P[i])
        p, q, s = here * p, here * q + float(table.Q[i]), math.hypot(here * s, float(table.noise_std[i]))
    return p, q, s


def ordinal(every: int) -> str:
    """Such as ``3rd``: which states are kept, for messages."""
    ending = "th" if every // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return f"{every}{ending}"
