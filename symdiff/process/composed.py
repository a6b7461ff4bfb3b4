"""T steps composed, against the whole run: do the shared maps of single steps multiply to the map of the run?

The affine maps of the steps from state i on, each fitted on training trajectories, are applied one after the other to
held-out states i and compared with the final states they really led to. Beside that stands one affine map fitted from
state i to the final state directly; its targets hold the noise of the whole run, so that it is estimated less well.
Both agree where the process is affine. Below 1 they may be because of injected noise, which no map of state i foresees:
the ceiling is what that would leave if the steps were the fitted maps, noise from step i on being carried by their
linear parts.

One group element (a, v) a step, the same for all trajectories, is a map of this kind as well; its composition is
``x -> (prod a) x + v``, and its R^2 is printed beside. The elements of each trajectory's own are not: they compose to
that trajectory's run by construction, whatever the process.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.process.levels import Bootstrap, Levels, Step, Terms, flat, norms, pixels
from symdiff.process.regression import column_mean
from symdiff.process.shared import inflation, undetermined
from symdiff.process.storage import rounding_caution
from symdiff.trajectories import Trajectories

STARTS = 6
"""States the composition begins at, evenly spread, the first among them."""

GAUGES = ("v", "eps", "x0")
"""Which gauge's a the shared elements have: the first that is defined throughout."""


class Composition:
    """Carries held-out states along the fitted maps, from several states at once."""

    def __init__(self, train: Trajectories, test: Trajectories, steps: list[int], bootstrap: Bootstrap) -> None:
        self.train, self.test, self.bootstrap = train, test, bootstrap
        count = min(STARTS, len(steps))
        self.starts = {steps[round(k * (len(steps) - 1) / max(count - 1, 1))] for k in range(count)}
        self.blocks = len(steps) < train.steps
        self.carried: dict[int, Tensor] = {}
        self.noise: dict[int, Tensor] = {}
        self.direct: dict[int, Terms] = {}
        self.generator = torch.Generator().manual_seed(bootstrap.seed)
        self.final_train = train.states[:, -1].flatten(1)
        self.final = flat(test.states[:, -1])
        self.centre = column_mean(self.final_train)

    def add(self, step: Step) -> None:
        """Take one step, or a block of them where steps are left out."""
        if step.at in self.starts:
            self.carried[step.at] = step.x
            self.noise[step.at] = torch.zeros_like(step.x)
            fitted = step.inputs.fit(self.final_train)
            self.direct[step.at] = Terms.of(self.final - fitted(step.x), self.final, fitted.centre_y)
        whole = self.test.one_step and step.following == step.at + 1
        if whole:
            p, q, s = (
                float(row[step.at])
                for row in (self.test.state_coefficient, self.test.denoised_coefficient, self.test.noise_std)
            )
            fitted = step.denoised
        else:
            p, q, s = 0.0, 1.0, 0.0
            fitted = step.inputs.fit(self.train.states[:, step.following].flatten(1))
        for start, x in self.carried.items():
            self.carried[start] = p * x + q * fitted(x)
            noise = self.noise[start]
            noise = p * noise + q * fitted.linear(noise)
            self.noise[start] = noise + s * torch.randn(noise.shape, generator=self.generator, dtype=noise.dtype)

    def document(self) -> Levels:
        """One entry a start, in the order of sampling."""
        return [self._entry(start) for start in sorted(self.starts)]

    def _entry(self, start: int) -> dict[str, Any]:
        terms = Terms.of(self.final - self.carried[start], self.final, self.centre)
        constant = "the final states do not vary" if terms.constant else None
        return {
            "timestep": self.test.time(start),
            "composed": terms.r2(self.bootstrap),
            "direct": self.direct[start].r2(self.bootstrap),
            "shared_elements": self._shared_elements(start),
            "ceiling": self._ceiling(start),
            "inflation": inflation(len(self.train), pixels(self.test)),
            "caution": cautions(
                constant,
                few_units(len(self.test), "held-out trajectories"),
                undetermined(len(self.train), pixels(self.test)),
                "all steps would cost too much: what is composed are maps over several steps each"
                if self.blocks
                else None,
                None if self.test.one_step else "a step is more than a map of its state: see the cautions",
                None if constant else rounding_caution(self.test, terms.square, terms.variance),
            ),
        }

    def _ceiling(self, start: int) -> float | None:
        """Share of the carried states in the sum of them and carried noise; unknown where nothing carries the noise."""
        if float(self.test.noise_std[start:].abs().sum()) == 0:
            return 1.0
        if self.blocks or not self.test.one_step:
            return None
        signal, noise = float(self.carried[start].var(0).sum()), float(norms(self.noise[start]).mean())
        return signal / (signal + noise) if signal + noise > 0 else None

    def _shared_elements(self, start: int) -> dict[str, Any]:
        """R^2 of the product of one element a step: a of a gauge, v the training mean of ``x' - a x``."""
        for gauge in GAUGES:
            a = self.test.gauges[gauge][start:]
            if bool(a.isfinite().all()):
                product = float(a.prod())
                # The mean translations compose to what the mean run needs: v = mean(x_end) - (prod a) mean(x_start).
                moved = flat(self.test.states[:, start]) - column_mean(self.train.states[:, start].flatten(1))
                terms = Terms.of(self.final - self.centre - product * moved, self.final, self.centre)
                return {**terms.r2(self.bootstrap), "gauge": gauge, "a": product}
        return {"value": None, "interval": None, "gauge": None, "a": None}
