"""Products that were observed: two actions in a row, and one action between the same two observations.

Where the group law is not known, the product of two actions is not known either, unless the world shows it: if `a`
leads from o to o', `b` from o' to o'', and elsewhere among the held-out sequences one action `c` leads from o to o'',
then c does what b after a does, and ``rho(c)`` has to be ``rho(b) rho(a)``. It is the product itself where nothing but
the identity leaves an observation in place; where several actions lead from o to o'' one of them is taken, and the
figure says that there were several.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.trajectories import ObservedSequences, Trajectories

MOST = 1024
"""Products that are looked at."""

ROUNDING = 1e-6
"""Observations nearer than this share of their size are the same one: what float32 leaves of them."""

LOOKS = 4
"""Random directions along which observations are told apart before they are compared."""

CHUNK = 4096


class Compositions(NamedTuple):
    """K observed products ``g21 = g2 g1``.

    Attributes
    ----------
    g1, g2, g21
        ``[K, A]``: the action that came first, the one after it, and the one that does both.
    trajectory
        ``[K]``: the sequence that g1 and g2 are from.
    several
        How many of them could have been another action as well.
    """

    g1: Float[Tensor, "k a"]
    g2: Float[Tensor, "k a"]
    g21: Float[Tensor, "k a"]
    trajectory: Int[Tensor, " k"]
    several: int


def compositions(trajectories: Trajectories) -> Compositions:
    """The observed products among these sequences, at most `MOST` spread over them; none in a recording."""
    if not isinstance(trajectories, ObservedSequences):
        nothing = torch.zeros(0, 1, dtype=trajectories.states.dtype)
        return Compositions(nothing, nothing, nothing, torch.zeros(0, dtype=torch.long), 0)
    actions = trajectories.actions.to(trajectories.states.dtype)
    count, steps = actions.shape[:2]
    place = same(trajectories.states.flatten(0, 1).flatten(1)).reshape(count, steps + 1)
    number = (place[:, :-1] * place.numel() + place[:, 1:]).flatten()
    wanted = (place[:, :-2] * place.numel() + place[:, 2:]).flatten()
    order = number.argsort(stable=True)
    first = torch.searchsorted(number[order], wanted)
    last = torch.searchsorted(number[order], wanted, right=True)
    rows, flat, several = [], actions.flatten(0, 1), 0
    for pair in (last > first).nonzero().flatten().tolist():
        step = pair // (steps - 1) * steps + pair % (steps - 1)
        # If one of the two actions changes nothing, the other one is not an observation of their product.
        others = [i for i in order[first[pair] : last[pair]].tolist() if i not in (step, step + 1)]
        if others:
            rows.append((step, step + 1, others[0]))
            spread = flat[others] - flat[others[0]]
            several += bool(spread.abs().max() > ROUNDING * flat[others].abs().max())
    if len(rows) > MOST:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, MOST).round().astype(int)]
    index = torch.tensor(rows, dtype=torch.long).reshape(-1, 3)
    g1, g2, g21 = (flat[index[:, i]] for i in range(3))
    return Compositions(g1, g2, g21, index[:, 0] // steps, several)


def same(observations: Float[Tensor, "n d"]) -> Int[Tensor, " n"]:
    """A number for every observation, the same for those that are equal up to rounding."""
    generator = torch.Generator().manual_seed(0)
    n, d = observations.shape
    size = float(observations.abs().max().clamp_min(torch.finfo(observations.dtype).tiny))
    directions = torch.randn(d, LOOKS, generator=generator, dtype=torch.float64) / d**0.5
    looks = torch.cat([piece.double() / size @ directions for piece in torch.split(observations, CHUNK)]).numpy()
    number = np.zeros(n, dtype=np.int64)
    for look in looks.T:
        order = np.lexsort((look, number))
        apart = (np.diff(look[order]) > ROUNDING) | (np.diff(number[order]) != 0)
        number[order] = np.concatenate([[0], np.cumsum(apart)])
    _, first, which = np.unique(number, return_index=True, return_inverse=True)
    like = torch.from_numpy(first[which])
    for piece in torch.split(torch.arange(n), CHUNK):  # a few directions can be mistaken, all numbers cannot
        missed = (observations[piece] - observations[like[piece]]).abs().amax(1)
        like[piece] = torch.where(missed > LOOKS * ROUNDING * size, piece, like[piece])
    return like
