"""The times at which the variational bound is taken: all, or a few drawn so that a weighted sum is unbiased.

Times are drawn each the more likely the larger its term is expected to be, and evenly: two from each of several strata.
What drawing adds to the variance of the sum is estimated from the two (Cochran 1977, "Sampling techniques", sections
5.9 and 9A).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from symdiff.diffusion.schedule import Schedule
from symdiff.errors import ConfigError

SPREAD = 5
"""One time in so many is drawn without regard to how large its term is expected to be."""


class Times(NamedTuple):
    """Times at which the bound is taken, noisiest first.

    Attributes
    ----------
    t
        Training times from 2 to T; the last term, of t = 1, is always taken.
    weight
        How many times each stands for.
    stratum
        Which stratum each was drawn from; one that is alone in its stratum was not drawn, but taken.
    exhaustive
        Whether every time is there, once.
    """

    t: Int[Tensor, " k"]
    weight: Float[Tensor, " k"]
    stratum: Int[Tensor, " k"]
    exhaustive: bool


def all_times(schedule: Schedule) -> Times:
    """Every training time but 1."""
    t = torch.arange(schedule.T, 1, -1)
    return Times(t, torch.ones(len(t), dtype=torch.float64), torch.arange(len(t)), True)


def drawn_times(schedule: Schedule, most: int, seed: int = 0) -> Times:
    """At most `most` times: those with the largest terms, and two from each stratum of the others.

    A term is near ``(SNR_{t-1} - SNR_t) E(x_0 - x0hat)^2 / 2``, and the error of data of unit variance is
    ``1/(1 + SNR)``: so times are drawn in proportion to the growth of ``log(1 + SNR)``, in strata that are even in it.
    One in `SPREAD` is drawn evenly over all times: where the model errs more than that, its terms are not missed.

    Raises
    ------
    ConfigError
        For fewer than two times.
    """
    if most < 2:
        raise ConfigError(f"the bound cannot be taken at {most} times", "give at least 2")
    whole = all_times(schedule)
    if len(whole.t) <= most:
        return whole
    measure = functional.softplus(schedule.alpha_bar[1:].logit())  # log(1 + SNR) at t = 1 ... T
    size = (measure[:-1] - measure[1:]).flip(0)  # of the terms of t = T ... 2
    size = (1 - 1 / SPREAD) * size / size.sum() + 1 / SPREAD / len(size)
    taken = torch.zeros(len(size), dtype=torch.bool)
    while True:  # what is larger than the share of one draw would be drawn again and again
        share = size[~taken].sum() / max(most - int(taken.sum()), 1)
        larger = ~taken & (size > share)
        if int(taken.sum() + larger.sum()) > most - 2 or not bool(larger.any()):
            break
        taken |= larger
    generator = torch.Generator().manual_seed(seed)
    strata = (most - int(taken.sum())) // 2
    position = (
        torch.arange(strata)[:, None] + torch.rand(strata, 2, generator=generator, dtype=torch.float64)
    ) / strata
    rest, fixed = torch.nonzero(~taken).flatten(), torch.nonzero(taken).flatten()
    reached = size[rest].cumsum(0)
    drawn = rest[torch.searchsorted(reached, position.flatten() * reached[-1]).clamp(max=len(rest) - 1)]
    weight = torch.cat([torch.ones(len(fixed), dtype=torch.float64), reached[-1] / (size[drawn] * 2 * strata)])
    stratum = torch.cat([strata + torch.arange(len(fixed)), torch.arange(strata).repeat_interleave(2)])
    index = torch.cat([fixed, drawn])
    order = index.argsort(stable=True)
    return Times(whole.t[index[order]], weight[order], stratum[order], False)
