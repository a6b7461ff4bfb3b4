"""Does the denoiser commute with the action: x0hat of moved states against moved x0hat, at one noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import Interval, complement, root, trajectory_bootstrap, two_way_bootstrap
from symdiff.diagnostics.permutation import permutation_test
from symdiff.diffusion.schedule import Time
from symdiff.groups import GroupFamily
from symdiff.process.acting import Asked, Elements, exchanged
from symdiff.process.figures import Figure, figure

CONSTANT = 1e-10
"""A variance below this share of the mean square is rounding."""


@dataclass(frozen=True)
class Moved:
    """Squared distances at one level, states x in rows and elements g in columns, on the part the group moves.

    Attributes
    ----------
    missed
        ``|x0hat(g x) - g x0hat(x)|^2``.
    clipped
        The same with both estimates clipped to [-1, 1] before g acts, as a step with clipping uses them.
    others
        ``|x0hat(g x) - g' x0hat(x)|^2`` for all g' tried, in the last axis, the identity after them.
    spread
        ``|x0hat(x) - mean|^2 n/(n-1)``.
    square
        ``|x0hat(x)|^2``.
    noise
        ``|eps(x)|^2``.
    gain
        What turns a difference of x0hat into one of the predicted noise: ``A/sigma``.
    returned
        ``|x0hat(g^-1 g x) - x0hat(x)|^2``, what an inexact action alone does; ``None`` if it is exact.
    swapped
        ``|x0hat(x~) - x0hat(x)|^2`` with x~ as x on the part the group moves, the rest being another state's. Of a
        model with the full symmetry, g x is a moved state whose rest does not fit: this is the error to be expected.
    """

    missed: Float[Tensor, "n g"]
    clipped: Float[Tensor, "n g"]
    others: Float[Tensor, "n g k"]
    spread: Float[Tensor, " n"]
    square: Float[Tensor, " n"]
    noise: Float[Tensor, " n"]
    gain: float
    returned: Float[Tensor, "n g"] | None = None
    swapped: Float[Tensor, " n"] | None = None

    @property
    def unrelated(self) -> Float[Tensor, "n g"]:
        """Mean of `others` over the elements that are not g: another element, or standing still."""
        k = self.others.shape[-1]
        return (self.others.sum(-1) - self.others[..., :-1].diagonal(dim1=1, dim2=2)) / (k - 1)

    def floor(self, i: int | None = None) -> float | None:
        """The larger of what both do to x0hat relative to its spread, for one element or all; ``None`` if exact."""
        if self.returned is None or self.swapped is None or self.constant:
            return None
        returned = self.returned.mean(1) if i is None else self.returned[:, i]
        return max(_share(returned, self.spread), _share(self.swapped, self.spread))

    @property
    def constant(self) -> bool:
        """Whether x0hat does not vary between states."""
        return not float(self.spread.sum()) > CONSTANT * float(self.square.sum())


def move(
    family: GroupFamily, model: Asked, x: Float[Tensor, "n c h w"], t: Time, elements: Elements, *, exact: bool
) -> Moved:
    """Ask the model at the states x, in its own coordinates, and at all moved ones.

    Parameters
    ----------
    exact
        Whether the action is: if not, the model is also asked at states that were moved there and back, and at states
        whose part that the group does not move is another's.
    """
    schedule = model.denoiser.schedule
    signal, sigma = schedule.signal(t), schedule.sigma(t)
    values = elements.values.to(x)
    inverses = family.inverse(values)
    estimate = model(x, t)
    still = _flat(family, estimate)
    missed, clipped, others, returned = [], [], [], []
    carried = [_flat(family, family.act(g[None], estimate)) for g in values]
    for i, g in enumerate(values):
        there = family.act(g[None], x)
        found = model(there, t)
        after = _flat(family, found)
        others.append(torch.stack([(after - other).square().sum(1) for other in [*carried, still]], dim=1))
        missed.append(others[-1][:, i])
        after_clip = _flat(family, found.clamp(-1, 1))
        clipped.append((after_clip - _flat(family, family.act(g[None], estimate.clamp(-1, 1)))).square().sum(1))
        if not exact:
            back = _flat(family, model(family.act(inverses[i][None], there), t))
            returned.append((back - still).square().sum(1))
    n = len(x)
    return Moved(
        missed=torch.stack(missed, 1),
        clipped=torch.stack(clipped, 1),
        others=torch.stack(others, 1),
        spread=(still - still.mean(0)).square().sum(1) * n / max(n - 1, 1),
        square=still.square().sum(1),
        noise=((_flat(family, x) - signal * still) / sigma).square().sum(1) if sigma else torch.zeros(n).to(still),
        gain=signal / sigma if sigma else 0.0,
        returned=torch.stack(returned, 1) if returned else None,
        swapped=None if exact else (_flat(family, model(exchanged(family, x), t)) - still).square().sum(1),
    )


class Judge:
    """Figures of (x, g) tables, with the interval that suits how the elements were chosen.

    Where the elements are all of the group the states alone are resampled; where they are a sample, both are, each
    independently of the other (Owen 2007).
    """

    def __init__(self, complete: bool, seed: int, replicates: int) -> None:
        self.complete, self.seed, self.replicates = complete, seed, replicates

    def ratio(self, top: Float[Tensor, "n g"], bottom: Float[Tensor, "n g"], *, square_root: bool = False) -> Figure:
        """``sum top / sum bottom`` or its root; no value where the denominator vanishes."""
        if not float(bottom.sum()) > 0:
            return figure(None, None)
        value, interval = float(top.sum() / bottom.sum()), self.interval(top, bottom)
        if square_root:
            return figure(value**0.5, root(interval))
        return figure(value, interval)

    def skill(self, top: Float[Tensor, "n g"], bottom: Float[Tensor, "n g"]) -> Figure:
        """``1 - sum top / sum bottom``."""
        return figure(1 - float(top.sum() / bottom.sum()), complement(self.interval(top, bottom)))

    def interval(self, top: Tensor, bottom: Tensor) -> Interval | None:
        """The interval of a ratio of sums over the table."""
        options = {"seed": self.seed, "replicates": self.replicates}
        if self.complete:
            return self.over_states(top.mean(1), bottom.mean(1))
        return two_way_bootstrap(top.double(), bottom.double(), **options)

    def over_states(self, top: Float[Tensor, " n"], bottom: Float[Tensor, " n"]) -> Interval | None:
        """The interval of a ratio of sums over states."""
        unit = torch.arange(len(top))
        return trajectory_bootstrap(top.double(), bottom.double(), unit, seed=self.seed, replicates=self.replicates)


def moved_figures(moved: Moved, judge: Judge, visible: float) -> dict[str, Any]:
    """What one level says.

    Parameters
    ----------
    visible
        The null below which x0hat hardly knows the action, so that the skill says nothing and is left out.
    """
    spread = moved.spread[:, None].expand_as(moved.missed)
    noise = moved.noise[:, None].expand_as(moved.missed)
    null = moved.unrelated
    varies = not moved.constant
    seen = float(null.mean()) > visible
    found: dict[str, Any] = {
        "error": judge.ratio(moved.missed, spread) if varies else figure(None, None),
        "eps_error": judge.ratio(moved.gain**2 * moved.missed, noise, square_root=True),
        "skill": judge.skill(moved.missed, null) if seen else figure(None, None),
        "permuted": _share(null, spread) if varies else None,
        "still": _share(moved.others[..., -1], spread) if varies else None,
        "permuted_p": _permuted(moved, judge) if seen else None,
        "floor": moved.floor(),
        "elements": [_element(moved, i, judge, varies, seen) for i in range(moved.missed.shape[1])],
    }
    return found


def _element(moved: Moved, i: int, judge: Judge, varies: bool, seen: bool) -> dict[str, Any]:
    missed, null = moved.missed[:, i], moved.unrelated[:, i]
    found = figure(None, None)
    if varies:
        found = figure(float(missed.sum() / moved.spread.sum()), judge.over_states(missed, moved.spread))
    known = seen and float(null.sum()) > 0
    skill = complement(judge.over_states(missed, null)) if known else None
    return {
        **found,
        "skill": figure(1 - float(missed.sum() / null.sum()) if known else None, skill),
        "floor": moved.floor(i),
    }


def _permuted(moved: Moved, judge: Judge) -> float | None:
    """The p-value of elements exchanged at every state; with one element there is nothing to exchange."""
    table = moved.others[..., :-1]
    if table.shape[1] < 2:
        return None
    return permutation_test(table.double(), judge.replicates, judge.seed).p_value


def _share(top: Tensor, bottom: Tensor) -> float:
    return float(top.sum() / bottom.sum())


def _flat(family: GroupFamily, x: Tensor) -> Float[Tensor, "n d"]:
    """One image a row in float64, the part the group moves."""
    return family.observed(x).flatten(1).double()
