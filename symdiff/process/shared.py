"""Does one affine map explain a step for all trajectories: the shared R^2 of every step, on held-out trajectories.

A reverse step is ``x' = P x + Q x0hat(x) + s z``. Its only part that is not a multiple of x by construction is x0hat,
and its only part that is not a function of x is the injected noise z. So a single regression of x0hat on x gives all
figures: a misfit r of x0hat is ``Q r`` in the step's mean, and ``Q r + s z`` in the sampled state. Regressing x' itself
would estimate the same map (z is independent of x) with the noise as an estimation error on top. Where a step is more
than that (`Trajectories.one_step` is false) x' itself is what is left to regress, and its mean is known only if no
noise is injected: then it is x'.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.process.gains import fit_gains
from symdiff.process.levels import Bootstrap, Levels, Step, Terms, flat, over_steps, pixels
from symdiff.process.regression import Fitted
from symdiff.process.storage import rounding_caution
from symdiff.trajectories import Trajectories

WORK = 5e11
"""Multiplications spent on the fits: for large images the steps are thinned evenly to keep to it."""

NAMES = (
    "shared_affine_r2",
    "shared_affine_r2_sampled",
    "shared_affine_r2_denoised",
    "ceiling_sampled",
    "shared_scalar_r2",
    "shared_scalar_r2_denoised",
    "shared_diagonal_r2",
    "shared_diagonal_r2_denoised",
)

UNKNOWN_MEAN = (
    "the step is more than P x + Q x0hat + s z and noise was injected: its mean cannot be told from the recording"
)


def shared_affine_r2(
    train: Trajectories, test: Trajectories, *, seed: int = 0, replicates: int = 400
) -> dict[str, Levels]:
    """The held-out R^2 of one affine map for all trajectories, at every step.

    Parameters
    ----------
    train, test
        Disjoint recordings of the same process: the map is fitted on the first and judged on the second.
    seed, replicates
        Of the bootstrap over the trajectories of `test`.

    Returns
    -------
    dict
        ``shared_affine_r2`` of the step's mean, ``shared_affine_r2_sampled`` of the next state with
        ``ceiling_sampled``, what the injected noise leaves to be explained (``1 - s^2 d / tr Var x'``), and
        ``shared_affine_r2_denoised`` of x0hat. ``shared_scalar_*`` and ``shared_diagonal_*`` are the same of the mean
        and of x0hat where the linear part is one gain for all pixels, or one a pixel. Each a list with one
        ``{"value", "interval", "timestep", "inflation", "caution"}`` a step, in the order of sampling; value ``None``
        where the target is constant or unknown. Fitting d + 1 numbers an output to n trajectories makes ``1 - R^2``
        larger than that of the best map by about ``inflation = d/(n - d - 1)`` of it (``None`` where n <= d + 1).
    """
    shared = SharedR2(train, test, Bootstrap(seed, replicates))
    for step in over_steps(train, test, WORK):
        shared.add(step)
    return shared.found


class SharedR2:
    """Collects the levels of every figure, step by step."""

    def __init__(self, train: Trajectories, test: Trajectories, bootstrap: Bootstrap) -> None:
        self.train, self.test, self.bootstrap = train, test, bootstrap
        self.found: dict[str, Levels] = {name: [] for name in NAMES}
        self.undetermined = undetermined(len(train), pixels(test))
        self.numbers = {"affine": pixels(test), "diagonal": 1, "scalar": 1 / pixels(test), "sampled": 0}
        self.few = few_units(len(test), "held-out trajectories")

    def add(self, step: Step) -> None:
        """Judge one step."""
        targets = self._with_estimate(step) if self.test.one_step else self._with_next_state(step)
        for name in NAMES:
            terms, unknown = targets.get(name), None if name in targets else UNKNOWN_MEAN
            level: dict[str, Any] = {"value": None, "interval": None} if terms is None else terms.r2(self.bootstrap)
            level["timestep"] = self.test.time(step.at)
            level["inflation"] = inflation(len(self.train), self.numbers[name.split("_")[1]])
            constant = terms is not None and terms.constant
            level["caution"] = cautions(
                unknown,
                "the target is constant" if constant else None,
                self.few,
                self.undetermined if "_affine_" in name else None,
                None if terms is None or constant else rounding_caution(self.test, terms.square, terms.variance),
            )
            self.found[name].append(level)

    def _maps(self, step: Step, target: Tensor, affine: Fitted) -> Mapping[str, Fitted]:
        gains = fit_gains(step.inputs.x, target)
        return {"affine": affine, "scalar": gains["scalar"], "diagonal": gains["diagonal"]}

    def _with_estimate(self, step: Step) -> dict[str, Terms]:
        """All figures from regressions of x0hat."""
        trajectories = self.test
        p, q, s = (
            float(row[step.at])
            for row in (trajectories.state_coefficient, trajectories.denoised_coefficient, trajectories.noise_std)
        )
        after, mean = flat(trajectories.states[:, step.at + 1]), p * step.x + q * step.x0hat
        found = {}
        maps = self._maps(step, self.train.denoised[:, step.at].flatten(1), step.denoised)
        for kind, fitted in maps.items():
            missed = step.x0hat - fitted(step.x)
            constants = p * fitted.centre_x + q * fitted.centre_y
            found[f"shared_{kind}_r2_denoised"] = Terms.of(missed, step.x0hat, fitted.centre_y)
            found[f"shared_{kind}_r2"] = Terms.of(q * missed, mean, constants)
            if kind == "affine":
                found["shared_affine_r2_sampled"] = Terms.of(q * missed + (after - mean), after, constants)
        noise = s * s * pixels(trajectories) * torch.ones(len(after), dtype=after.dtype)
        found["ceiling_sampled"] = found["shared_affine_r2_sampled"]._replace(residual=noise)
        return found

    def _with_next_state(self, step: Step) -> dict[str, Terms]:
        """x0hat as always; the step from regressions of the next state, whose mean is known if it has no noise."""
        found = {}
        for kind, fitted in self._maps(step, self.train.denoised[:, step.at].flatten(1), step.denoised).items():
            found[f"shared_{kind}_r2_denoised"] = Terms.of(step.x0hat - fitted(step.x), step.x0hat, fitted.centre_y)
        target = self.train.states[:, step.at + 1].flatten(1)
        after = flat(self.test.states[:, step.at + 1])
        deterministic = float(self.test.noise_std[step.at]) == 0
        for kind, fitted in self._maps(step, target, step.inputs.fit(target)).items():
            terms = Terms.of(after - fitted(step.x), after, fitted.centre_y)
            if kind == "affine":
                found["shared_affine_r2_sampled"] = terms
            if deterministic:
                found[f"shared_{kind}_r2"] = terms
        if deterministic:
            sampled = found["shared_affine_r2_sampled"]
            found["ceiling_sampled"] = sampled._replace(residual=torch.zeros_like(sampled.residual))
        return found


def inflation(n: int, numbers: int | float) -> float | None:
    """How much larger ``1 - R^2`` is than the best map's: numbers fitted an output over what n trajectories leave."""
    left = n - numbers - 1
    return numbers / left if left > 0 else None


def undetermined(n: int, d: int) -> str | None:
    """The caution that n trajectories do not determine an affine map of d pixels."""
    if n >= d + 2:
        return None
    return f"only {n} training trajectories for {d} pixels: the map cannot be determined, a low value says nothing"
