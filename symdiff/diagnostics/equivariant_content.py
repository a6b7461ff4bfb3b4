"""The claim *content* for a group that acts on observations: does the denoiser commute with it at every noise level?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.diagnostics.thresholds import Thresholds
from symdiff.diagnostics.timesteps import timestep, timesteps
from symdiff.result import Claim, Status

INVISIBLE = (
    "x0hat is nearly invariant here: moving it by another element changes next to nothing, and there is no skill"
)
"""The caution at a level that does not decide."""

INTERPOLATION = "what the action does not move, or not exactly, makes much of the error: it may not be the model's"
"""The caution at a level that cannot refute."""

MATERIAL = 0.5
"""Share of the error that an inexact action must make by itself for the error to be doubted."""


def equivariant_content(found: Mapping[str, Any] | None, limits: Thresholds) -> Claim:
    """The claim from ``process["equivariance"]``.

    The skill is one minus the error relative to that with another element. Levels at which it has no value, because
    x0hat is nearly invariant there, do not decide; where a network of random weights passes, passing says nothing.
    """
    if not found:
        return Claim(status="inconclusive", evidence="the equivariance of the denoiser was not measured")
    if found.get("absent"):
        evidence = f"the equivariance of the denoiser was not measured: {found['absent']}"
        return Claim(status="inconclusive", evidence=evidence)
    every: Sequence[Mapping[str, Any]] = found.get("levels") or ()
    levels = [level for level in every if (level.get("skill") or {}).get("value") is not None]
    if not levels:
        return Claim(status="inconclusive", evidence="x0hat is nearly invariant under the group at every noise level")
    worst = min(levels, key=lambda level: float(level["skill"]["value"]))
    summary = f"smallest skill of the denoiser's equivariance {worst['skill']['value']:.3f} at timestep "
    summary += timestep(worst)
    if len(levels) < len(every):
        summary += f" ({len(every) - len(levels)} of {len(every)} levels, where x0hat is nearly invariant, left out)"
    statuses = [equivariant_at(level["skill"], level.get("caution"), limits) for level in levels]
    refuted = [level for level, status in zip(levels, statuses, strict=True) if status == "not supported"]
    low = [level for level, status in zip(levels, statuses, strict=True) if status != "supported"]
    if refuted:
        evidence = f"{summary}; below {limits.equivariance_refuted} at {timesteps(refuted)} of {len(levels)} levels"
        return Claim(status="not supported", evidence=evidence)
    if not low and all(trivial(level, limits) for level in levels):
        evidence = f"{summary}; but a network of random weights is above {limits.equivariance_supported} at all of them"
        return Claim(status="inconclusive", evidence=evidence)
    if low:
        evidence = (
            f"{summary}; not settled above {limits.equivariance_supported} at {timesteps(low)} of {len(levels)} levels"
        )
        if any(INTERPOLATION in (level.get("caution") or "") for level in low):
            evidence += f" ({INTERPOLATION})"
        return Claim(status="inconclusive", evidence=evidence)
    evidence = f"{summary}; above {limits.equivariance_supported} at all {len(levels)} levels"
    return Claim(status="supported", evidence=evidence)


def equivariant_at(skill: Mapping[str, Any], caution: str | None, limits: Thresholds) -> Status:
    """Where the interval of one skill lies against the thresholds; without an interval it is not settled."""
    bottom, top = skill.get("interval") or (-float("inf"), float("inf"))
    if bottom > limits.equivariance_supported:
        return "supported"
    return (
        "not supported"
        if top < limits.equivariance_refuted and INTERPOLATION not in (caution or "")
        else "inconclusive"
    )


def trivial(level: Mapping[str, Any], limits: Thresholds) -> bool:
    """Whether the level is passed by any model: at little noise x0hat is nearly the state itself."""
    skill = (level.get("random") or {}).get("skill")
    return skill is not None and skill > limits.equivariance_supported
