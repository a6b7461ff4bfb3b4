"""Does the sampler commute with the action: whole runs from moved noise against moved runs.

The step ``x' = P x + Q x0hat(x / scale) + s z`` is taken from x and from g x, with the noise z and g z. Where the
action is linear all but x0hat cancels in ``step(g x; g z) - g step(x; z)``, so that its error is Q times that of x0hat;
over a run such errors are carried along and amplified or damped, which is measured by running.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.equivariant_content import INTERPOLATION, MATERIAL
from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.groups import GroupFamily
from symdiff.process.acting import Asked, Budget, Elements, exchanged, partial
from symdiff.process.figures import figure
from symdiff.process.moved_figures import Judge
from symdiff.trajectories import Trajectories
from symdiff.trajectories.noise import BatchNoise

ELEMENTS = 4
"""Elements a whole run is repeated with: every one takes all calls of a run."""

MOST = 32
"""Trajectories, at most."""

CLIPPED = "x0hat clipped to ±1"
"""How a recording says that x0hat was clipped before every step; limits of other kinds are not repeated here."""


def whole_step(trajectories: Trajectories) -> str | None:
    """Why steps cannot be taken again from what the recording says of them; ``None`` if they can."""
    if not trajectories.one_step:
        return (
            "a step of this recording is more than P x + Q x0hat + s z, and cannot be taken again from its coefficients"
        )
    if trajectories.info.get("clip") and trajectories.info.get("clipping") != CLIPPED:
        return f"the sampler limits x0hat in a way of its own ({trajectories.info.get('clipping')})"
    return None


def moved_run(
    family: GroupFamily, model: Asked, trajectories: Trajectories, elements: Elements, budget: Budget, seed: int
) -> dict[str, Any]:
    """Runs from ``(g x_T, g z)`` against g times the run from ``(x_T, z)``.

    Parameters
    ----------
    trajectories
        Their first states are the x_T.
    elements
        A few of them are used, evenly chosen.

    Returns
    -------
    dict
        ``absent``, why there is nothing, or ``error`` of the final images relative to their spread, with interval;
        ``elements``, the same for each with its ``name``; ``trajectories``; ``floor``, the error of runs whose noise
        was moved there and back by one of the elements, or exchanged in the part that the group does not move,
        whichever is larger, ``None`` where the action is exact; ``caution``.
    """
    if (reason := whole_step(trajectories)) is not None:
        return {"absent": reason}
    pixels = trajectories.states[0, 0].numel()
    count = min(len(elements), ELEMENTS)
    chosen = torch.linspace(0, len(elements) - 1, count).round().long()
    values = elements.values[chosen]
    n = min(max(budget.numbers // (trajectories.steps * (count + 1) * pixels), 2), MOST, len(trajectories))
    start = trajectories.states[:n, 0].to(model.place, model.dtype)
    plain = _run(model, trajectories, start, lambda y: y, seed)
    observed = family.observed(plain).flatten(1).double()
    spread = ((observed - observed.mean(0)).square().sum(1) * n / max(n - 1, 1)).cpu()
    if not float(spread.sum()) > 0:
        return {"absent": "all runs end at the same image"}
    missed = []
    for g in values.to(start):
        moved = _run(model, trajectories, start, functools.partial(_act, family, g), seed)
        missed.append(family.observed(moved - family.act(g[None], plain)).flatten(1).double().square().sum(1))
    table = torch.stack(missed, 1).cpu()
    judge = Judge(elements.complete and count == len(elements), seed, budget.replicates)
    floor = None
    if partial(family, start):
        there, back = values[0].to(start), family.inverse(values[0].to(start))
        returned = _run(model, trajectories, start, lambda y: _act(family, back, _act(family, there, y)), seed)
        swapped = _run(model, trajectories, start, lambda y: exchanged(family, y), seed)
        apart = [float(family.observed(run - plain).flatten(1).double().square().sum()) for run in (returned, swapped)]
        floor = max(apart) / float(spread.sum())
    names = [family.element_name(elements.values[int(i)]) for i in chosen]
    each = [figure(float(row.sum() / spread.sum()), judge.over_states(row, spread)) for row in table.T]
    return {
        **judge.ratio(table, spread[:, None].expand_as(table)),
        "elements": [{"name": name, **found} for name, found in zip(names, each, strict=True)],
        "trajectories": n,
        "floor": floor,
        "caution": cautions(
            INTERPOLATION
            if floor is not None and floor >= MATERIAL * float(table.sum() / spread.sum() / count)
            else None,
            few_units(n, "trajectories"),
            None if judge.complete else few_units(count),
        ),
    }


def _act(family: GroupFamily, g: Tensor, x: Tensor) -> Tensor:
    return family.act(g[None], x)


def _run(
    model: Asked, trajectories: Trajectories, x: Tensor, moved: Callable[[Tensor], Tensor], seed: int
) -> Float[Tensor, "n c h w"]:
    """The last state of runs whose first state and every noise are moved."""
    noise = BatchNoise(seed, range(len(x)), trajectories.observation_shape, x.device, trajectories.steps)
    clip, scale = bool(trajectories.info.get("clip")), trajectories.scale.tolist()
    P, Q, s = (
        row.tolist()
        for row in (trajectories.state_coefficient, trajectories.denoised_coefficient, trajectories.noise_std)
    )
    x = moved(x)
    for i in range(trajectories.steps):
        x0hat = model(x / scale[i], trajectories.time(i))
        x0hat = x0hat.clamp(-1, 1) if clip else x0hat
        x = P[i] * x + Q[i] * x0hat
        if s[i]:
            x = x + s[i] * moved(noise.normal(i).to(x))
    return x
