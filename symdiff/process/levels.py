"""One figure along the process: a value with its interval at every noise level that was looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import complement, trajectory_bootstrap
from symdiff.process.regression import Fitted, Inputs
from symdiff.trajectories import Trajectories

CONSTANT = 1e-10
"""A target whose variance is below this share of its mean square is constant up to the rounding of float32."""

Levels = list[dict[str, Any]]


class Bootstrap(NamedTuple):
    """Seed and replicates of the bootstrap over held-out trajectories."""

    seed: int = 0
    replicates: int = 400


class Terms(NamedTuple):
    """Of every held-out trajectory: squared residual, squared distance from the training mean, squared size."""

    residual: Float[Tensor, " n"]
    variance: Float[Tensor, " n"]
    square: Float[Tensor, " n"]

    @classmethod
    def of(cls, residual: Float[Tensor, "n d"], target: Float[Tensor, "n d"], centre: Float[Tensor, " d"]) -> Terms:
        """The terms of a prediction of `target` that misses by `residual`."""
        return cls(norms(residual), norms(target - centre), norms(target))

    @property
    def constant(self) -> bool:
        """Whether the target does not vary."""
        return not float(self.variance.sum()) > CONSTANT * float(self.square.sum())

    def r2(self, bootstrap: Bootstrap) -> dict[str, Any]:
        """``{"value", "interval"}`` of R^2, both ``None`` where the target is constant."""
        if self.constant:
            return {"value": None, "interval": None}
        unit = torch.arange(len(self.residual))
        interval = complement(trajectory_bootstrap(self.residual, self.variance, unit, **bootstrap._asdict()))
        value = 1 - float(self.residual.sum() / self.variance.sum())
        return {"value": value, "interval": None if interval is None else list(interval)}


class Step(NamedTuple):
    """A step with the maps fitted on training trajectories and the held-out states they are judged on.

    Attributes
    ----------
    at
        Index of the step, and of the state before it.
    following
        Index of the next state that is looked at: ``at + 1`` unless steps are left out.
    inputs
        The training states, ready to be regressed on.
    denoised
        The map from them to x0hat.
    x, x0hat
        Held-out states and estimates, flat.
    """

    at: int
    following: int
    inputs: Inputs
    denoised: Fitted
    x: Float[Tensor, "n d"]
    x0hat: Float[Tensor, "n d"]


def over_steps(train: Trajectories, test: Trajectories, work: float) -> Iterator[Step]:
    """The steps in the order of sampling, one at a time: what is fitted at one is gone at the next.

    Parameters
    ----------
    train, test
        What maps are fitted on, and what they are judged on.
    work
        Multiplications to spend: where all steps would cost more, they are thinned evenly.
    """
    chosen = affordable_steps(len(train), pixels(train), train.steps, work)
    for step, following in zip(chosen, [*chosen[1:], train.steps], strict=True):
        inputs = Inputs(train.states[:, step].flatten(1))
        fitted = inputs.fit(train.denoised[:, step].flatten(1))
        yield Step(step, following, inputs, fitted, flat(test.states[:, step]), flat(test.denoised[:, step]))


def affordable_steps(n: int, d: int, steps: int, work: float) -> list[int]:
    """All steps, or evenly spread ones (the first and the last among them) where all would cost too much."""
    affordable = max(int(work / (4 * n * d * min(n, d) + 1)), 3)
    if steps <= affordable:
        return list(range(steps))
    return sorted({round(i * (steps - 1) / (affordable - 1)) for i in range(affordable)})


def pixels(trajectories: Trajectories) -> int:
    """D = C H W."""
    c, h, w = trajectories.observation_shape
    return c * h * w


def flat(x: Tensor) -> Float[Tensor, "n d"]:
    """One image a row, in float64."""
    return x.flatten(1).double()


def norms(x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Squared norm of every row."""
    return x.square().sum(1)
