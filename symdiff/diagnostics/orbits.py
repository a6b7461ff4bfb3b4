"""Latents of held-out observations moved by every combination of a group's known factors."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.groups import GroupFamily

CELLS = 1024
"""Combinations at most, where the orders of the factors have divisors that allow it."""

FEWEST_ANGLES, MOST_ANGLES = 5, 32
"""More angles of one factor show nothing new, fewer too little; rather than that, all are taken."""

BASE_POINTS = 64
ENTRIES = 2**24
"""Observations at most, and pixels encoded in all: fewer observations where images are large."""


def factor_grid(family: GroupFamily) -> tuple[Shaped[Tensor, "cells *element"], tuple[int, ...]]:
    """All products of the factors' elements, the last factor varying fastest, and the number of angles of each."""
    factors = list(family.factors().values())
    most = min(int(CELLS ** (1 / len(factors)) + 1e-9), MOST_ANGLES)
    angles = []
    grid = family.identity()[None]
    for factor in factors:
        angles.append(_angles(len(factor), most))
        grid = family.compose(factor[None, :: len(factor) // angles[-1]], grid[:, None]).flatten(0, 1)
    return grid, tuple(angles)


def _angles(order: int, most: int) -> int:
    """The largest divisor of `order` up to `most`, or all of them if that leaves too few."""
    largest = max(divisor for divisor in range(1, min(order, most) + 1) if order % divisor == 0)
    return largest if largest >= FEWEST_ANGLES else order


def base_points(evaluation: Evaluation, cells: int) -> Float[Tensor, "x c h w"]:
    """One held-out observation a trajectory, at all noise levels, as many as moving each to `cells` places allows."""
    observations, trajectory = evaluation.sequences.observations, evaluation.sequences.trajectory
    first = torch.tensor([int(torch.nonzero(trajectory == t)[0]) for t in torch.unique(trajectory)])
    most = min(max(ENTRIES // (cells * observations[0, 0].numel()), 2), BASE_POINTS, len(first))
    rows = first[torch.linspace(0, len(first) - 1, most).round().long()]
    times = torch.arange(most) % observations.shape[1]
    return observations[rows, times]


def orbit_latents(
    evaluation: Evaluation, elements: Shaped[Tensor, "cells *element"], base: Float[Tensor, "x c h w"]
) -> Float[Tensor, "x cells m"]:
    """``h(g x)`` for every element g and base observation x."""
    elements = elements.to(base) if elements.is_floating_point() else elements
    return torch.stack([evaluation.encode(evaluation.family.act(g[None], base)) for g in elements], dim=1)
