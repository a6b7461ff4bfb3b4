"""The elements (a, v) of the steps as group elements: their products, their range, and which are outside GL(d+1).

In each gauge the scalars of a run multiply to what theory says they should. Where ``a = f'/f`` for a function f of the
noise level, the product telescopes to f at its end over f at its beginning; which f that is depends on gauge and
sampler. With ``A = sqrt(alpha_bar)``, ``sigma = sqrt(1 - alpha_bar)``:

========  ===================  =========================================================
gauge     f                    holds for
========  ===================  =========================================================
``eps``   ``A``                every step ``x' = A' x0hat + kappa epshat + s z``
``v``     ``1/A``              DDPM, where ``a = sqrt(alpha_t)``; not for DDIM, ``a = AA' + sigma sigma'``
``x0``    ``sigma^2/A``        DDPM and the other ancestral samplers
``x0``    ``sigma``            DDIM with eta = 0 and the other deterministic first-order samplers
========  ===================  =========================================================

States in other coordinates (`Trajectories.scale`) are that many times larger, and so is f.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import cautions
from symdiff.diffusion import affine
from symdiff.process.storage import rounded, storage_format
from symdiff.trajectories import GAUGES, Trajectories

Potential = Callable[[Tensor, Tensor], Tensor]
"""f from alpha_bar and the scale of the states."""

POTENTIALS: dict[str, dict[str, Potential]] = {
    "eps": {"√(ᾱ_f/ᾱ_T)": lambda alpha_bar, scale: scale * alpha_bar.sqrt()},
    "v": {
        "√(ᾱ_T/ᾱ_f)": lambda alpha_bar, scale: scale / alpha_bar.sqrt(),
        "1": lambda alpha_bar, scale: torch.ones_like(alpha_bar),
    },
    "x0": {
        "√(ᾱ_T/ᾱ_f) (1−ᾱ_f)/(1−ᾱ_T)": lambda alpha_bar, scale: scale * (1 - alpha_bar) / alpha_bar.sqrt(),
        "√((1−ᾱ_f)/(1−ᾱ_T))": lambda alpha_bar, scale: scale * (1 - alpha_bar).sqrt(),
    },
}
"""What the product of each gauge may telescope to, for states that are not scaled."""

TELESCOPES = 1e-6
"""Largest relative difference of a step's a from ``f'/f`` for f to be its potential."""

SOME = 32
"""Trajectories that are rebuilt."""


def group_facts(recording: Trajectories) -> dict[str, dict[str, Any]]:
    """The facts by gauge.

    Returns
    -------
    dict
        For each gauge ``a``, the scalar of every step; ``outside``, the steps that are not in GL(d+1) and why;
        ``inside``, first and last timestep of the longest run of steps that are. On that run: ``product`` of a,
        ``telescoping`` with the formula, the value it gives and the relative defect (``None`` where no formula is
        known), ``smallest`` and ``largest`` |a| with their timestep, ``condition``, the ratio of the largest to the
        smallest product of the first steps, and ``rebuild``, the relative error of the state that the composed element
        gives in float32.
    """
    return {gauge: _facts(recording, gauge) for gauge in GAUGES if gauge in recording.gauges}


def _facts(recording: Trajectories, gauge: str) -> dict[str, Any]:
    a = recording.gauges[gauge]
    in_group = a.isfinite() & (a != 0)
    outside = [
        {"timestep": recording.time(i), "why": _why(float(a[i]))} for i in torch.nonzero(~in_group).flatten().tolist()
    ]
    found: dict[str, Any] = {
        "a": a.tolist(),
        "timesteps": [recording.time(i) for i in range(recording.steps)],
        "steps": recording.steps,
        "outside": {"count": len(outside), "steps": outside[:8]},
        "inside": None,
        "product": None,
        "telescoping": None,
        "smallest": None,
        "largest": None,
        "condition": None,
        "rebuild": None,
        "caution": None,
    }
    first, last = _longest(in_group)
    if first == last:
        return found
    run = a[first:last]
    running = torch.cat([torch.ones(1, dtype=run.dtype), run.cumprod(0)]).abs()
    low, high = int(run.abs().argmin()), int(run.abs().argmax())
    return found | {
        "inside": {"from": recording.time(first), "to": recording.time(last), "steps": last - first},
        "product": float(run.prod()),
        "telescoping": _telescoping(recording, gauge, first, last),
        "smallest": {"value": float(run[low].abs()), "timestep": recording.time(first + low)},
        "largest": {"value": float(run[high].abs()), "timestep": recording.time(first + high)},
        "condition": float(running.max() / running.min()),
        "rebuild": _rebuild(recording, run, first, last),
        "caution": cautions(
            f"states are stored in {storage_format(recording)}: what is lost in rebuilding is mostly their rounding"
            if rounded(recording)
            else None
        ),
    }


def _why(a: float) -> str:
    if math.isnan(a):
        return "the sampler has no such gauge"
    return "a = 0: the state before the step is forgotten" if a == 0 else "a is infinite: there is no signal to hold"


def _longest(inside: Tensor) -> tuple[int, int]:
    """First index and end of the longest run of True; the first of equal ones, and an empty one if there is none."""
    best, start = (0, 0), 0
    flags = [*inside.tolist(), False]
    for i, flag in enumerate(flags):
        if not flag:
            best = max(best, (start, i), key=lambda run: (run[1] - run[0], -run[0]))
            start = i + 1
    return best


def _telescoping(recording: Trajectories, gauge: str, first: int, last: int) -> dict[str, Any] | None:
    """The formula whose ratio every step's a is, if there is one, and what it gives for the product."""
    a, scale, alpha_bar = recording.gauges[gauge], recording.scale, recording.alpha_bar
    for formula, potential in POTENTIALS[gauge].items():
        f = potential(alpha_bar, scale)[first : last + 1]
        ratio = f[1:] / f[:-1]
        if not bool(f.isfinite().all()) or float((a[first:last] / ratio - 1).abs().max()) > TELESCOPES:
            continue
        expected, scaled = float(f[-1] / f[0]), float((scale - scale[0]).abs().max()) > 0
        return {
            "formula": formula if not scaled or formula == "1" else f"{formula}, times the ratio of the scales",
            "expected": expected,
            "defect": abs(float(a[first:last].prod()) / expected - 1),
        }
    return None


def _rebuild(recording: Trajectories, run: Float[Tensor, " steps"], first: int, last: int) -> dict[str, Any]:
    """The state at the end of the run from that at its beginning, through one composed element in float32."""
    some = recording.select(slice(0, SOME))
    begin, end = some.states[:, first].float(), some.states[:, last].float()
    before, composed = begin, affine.identity(begin[0].numel(), dtype=torch.float32)
    for i in range(first, last):
        after = some.states[:, i + 1].float()
        composed = affine.compose(affine.from_step(before, after, float(run[i - first])), composed)
        before = after
    missed = (affine.act(composed, begin) - end).flatten(1).double()
    size = end.flatten(1).double()
    relative = missed.norm(dim=1) / size.norm(dim=1).clamp(min=1e-300)
    return {
        "value": float((missed.square().sum() / size.square().sum().clamp(min=1e-300)).sqrt()),
        "worst": float(relative.max()),
        "trajectories": len(begin),
    }
