"""What one level says of a model's equivariance: errors, skill and nulls, with intervals."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import Interval, complement, root, trajectory_bootstrap, two_way_bootstrap
from symdiff.diagnostics.permutation import permutation_test
from symdiff.process.figures import Figure, figure
from symdiff.process.moved import Moved, share


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
        "permuted": share(null, spread) if varies else None,
        "still": share(moved.others[..., -1], spread) if varies else None,
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
