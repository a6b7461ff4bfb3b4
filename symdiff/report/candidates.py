"""Several candidate groups on the same trajectories: which of them the data support, by held-out skill.

The skill of a candidate is the figure that its claim *content* rests on, at the noise level where it is lowest: for a
group that acts on images the skill of the denoiser's equivariance, for the steps themselves the R^2 of one affine map
for x0hat. Both are 1 where what the group says of the process is exact, on trajectories nothing was fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from symdiff.report.notation import interval, number
from symdiff.result import Result, Status

SAME = ("model", "label", "guidance", "sampler", "steps", "trajectories", "seed", "recording")
"""Settings in which runs have to agree to be candidates for the same trajectories."""


@dataclass(frozen=True)
class Candidate:
    """One run of a comparison.

    Attributes
    ----------
    name
        Of the run.
    group
        The family, and the options in which it differs from the other candidates.
    skill, interval, timestep
        The lowest held-out skill, and where; ``None`` where it was not measured.
    law
        Held-out skill of the trained encoder's equivariance, all latent directions weighing the same.
    content
        What the claim *content* came to.
    resolved
        Whether its skill differs from the next one's by more than their intervals allow; ``None`` for the last.
    """

    name: str
    group: str
    skill: float | None
    interval: tuple[float, float] | None
    timestep: int | float | None
    law: float | None
    content: Status
    resolved: bool | None = None


def ranking(results: Mapping[str, Result]) -> list[Candidate]:
    """Candidates by skill, the highest first, those without one last; empty unless all are of the same trajectories.

    Parameters
    ----------
    results
        Results by name of their run.
    """
    if len(results) < 2 or len({repr([r.config.get(key) for key in SAME]) for r in results.values()}) > 1:
        return []
    if all(result.process.get("manifold") for result in results.values()):
        return []  # their actions are the same steps, so their skills are the same: see `manifold_ranking`
    groups = _groups(results)
    candidates = [_candidate(name, groups[name], result) for name, result in results.items()]
    candidates.sort(key=lambda item: -float("inf") if item.skill is None else item.skill, reverse=True)
    return [replace(one, resolved=_apart(one, other)) for one, other in pairwise(candidates)] + candidates[-1:]


def in_words(candidates: Sequence[Candidate]) -> list[str]:
    """What the ranking says, in sentences."""
    if not candidates:
        return []
    by_status: dict[Status, list[str]] = {"supported": [], "inconclusive": [], "not supported": []}
    for item in candidates:
        by_status[item.content].append(_with_skill(item))
    found = []
    if by_status["supported"]:
        found.append(f"The data support {_listed(by_status['supported'])}.")
        if len(by_status["supported"]) > 1:
            found.append("Where one of these contains another, the larger says more: it implies the smaller.")
    else:
        found.append("The data support none of these groups.")
    if by_status["not supported"]:
        found.append(f"They speak against {_listed(by_status['not supported'])}.")
    if by_status["inconclusive"]:
        found.append(f"Not settled: {_listed(by_status['inconclusive'])}.")
    measured = [item for item in candidates if item.skill is not None]
    together = [f"{a.group} and {b.group}" for a, b in pairwise(measured) if a.resolved is False]
    if together:
        found.append(f"The order of {_listed(together)} is not resolved: their intervals overlap.")
    return found


def as_document(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Plain data."""
    return [asdict(item) for item in candidates]


def _candidate(name: str, group: str, result: Result) -> Candidate:
    process = result.process
    acting = process.get("equivariance")
    if acting is None:
        levels = [(level, level) for level in process.get("shared_affine_r2_denoised") or ()]
    else:
        levels = [(level, level["skill"]) for level in acting.get("levels") or () if level.get("skill")]
    measured = [
        (figure["value"], figure.get("interval"), level["timestep"])
        for level, figure in levels
        if figure.get("value") is not None
    ]
    worst = min(measured, key=lambda item: float(item[0]), default=(None, None, None))
    law = result.diagnostics.get("equivariance_skill_whitened")
    content = result.verdict.claims.get("content")
    return Candidate(
        name=name,
        group=group,
        skill=worst[0],
        interval=None if worst[1] is None else (worst[1][0], worst[1][1]),
        timestep=worst[2],
        law=None if law is None else law.value,
        content="inconclusive" if content is None else content.status,
    )


def _groups(results: Mapping[str, Result]) -> dict[str, str]:
    """The families, each with the options that tell candidates of the same family apart."""
    found = {}
    for name, result in results.items():
        others = [r.config.get("options", {}) for r in results.values() if r.group == result.group]
        told = {
            key: value
            for key, value in result.config.get("options", {}).items()
            if any(options.get(key) != value for options in others)
        }
        values = [str(value) if key == "group" else f"{key}={value}" for key, value in told.items()]
        found[name] = " ".join([result.group, *values])
    return found


def _apart(one: Candidate, other: Candidate) -> bool | None:
    if one.interval is None or other.interval is None:
        return None
    return one.interval[0] > other.interval[1] or other.interval[0] > one.interval[1]


def _with_skill(item: Candidate) -> str:
    if item.skill is None:
        return f"{item.group} (no skill was measured)"
    return f"{item.group} (skill {number(item.skill)} {interval(item.interval)} at t = {number(item.timestep)})"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
