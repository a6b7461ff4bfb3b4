"""Several candidate groups on the same trajectories: which of them the data support, by what each misses of x0hat.

What a group says of the process predicts x0hat at a state: from that at the moved state, for a group that acts on
images; from the state by one affine map, for the steps themselves. What is compared is the share of the spread of x0hat
that this misses on held-out trajectories, at the noise level where it is largest: 0 where it is exact, and the same
scale for every group. (The skills that the claim *content* rests on have a null of their own for every group.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

from symdiff.report.notation import interval, joined, number
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
    missed, interval, timestep
        The largest share of the spread of x0hat that is missed, and where; ``None`` where it was not measured.
    law
        Held-out skill of the trained encoder's equivariance, all latent directions weighing the same.
    content
        What the claim *content* came to.
    resolved
        Whether what it misses differs from the next one's by more than their intervals allow; ``None`` for the last.
    """

    name: str
    group: str
    missed: float | None
    interval: tuple[float, float] | None
    timestep: int | float | None
    law: float | None
    content: Status
    resolved: bool | None = None


def ranking(results: Mapping[str, Result]) -> list[Candidate]:
    """Candidates by what they miss, the least first, the unknown last; empty unless all are of the same trajectories.

    Parameters
    ----------
    results
        Results by name of their run.
    """
    if len(results) < 2 or len({repr([r.config.get(key) for key in SAME]) for r in results.values()}) > 1:
        return []
    if any(result.process.get("absent") for result in results.values()):
        return []  # observed sequences: there is no x0hat to predict
    if all(result.process.get("manifold") for result in results.values()):
        return []  # their actions are the same steps, so their skills are the same: see `manifold_ranking`
    groups = _groups(results)
    candidates = [_candidate(name, groups[name], result) for name, result in results.items()]
    candidates.sort(key=lambda item: float("inf") if item.missed is None else item.missed)
    return [
        replace(one, resolved=apart(one.interval, other.interval)) for one, other in pairwise(candidates)
    ] + candidates[-1:]


def in_words(candidates: Sequence[Candidate]) -> list[str]:
    """What the ranking says, in sentences."""
    if not candidates:
        return []
    by_status: dict[Status, list[str]] = {"supported": [], "inconclusive": [], "not supported": []}
    for item in candidates:
        by_status[item.content].append(_with_figure(item))
    found = []
    if by_status["supported"]:
        found.append(f"The data support {joined(by_status['supported'])}.")
        if len(by_status["supported"]) > 1:
            found.append("Where one of these contains another, the larger says more: it implies the smaller.")
    else:
        found.append("The data support none of these groups.")
    if by_status["not supported"]:
        found.append(f"They speak against {joined(by_status['not supported'])}.")
    if by_status["inconclusive"]:
        found.append(f"Not settled: {joined(by_status['inconclusive'])}.")
    measured = [item for item in candidates if item.missed is not None]
    together = [f"{a.group} and {b.group}" for a, b in pairwise(measured) if a.resolved is False]
    if together:
        found.append(f"The order of {joined(together)} is not resolved: their intervals overlap.")
    return found


def as_document(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Plain data."""
    return [asdict(item) for item in candidates]


def apart(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool | None:
    """Whether two intervals do not overlap; ``None`` where one is unknown."""
    if one is None or other is None:
        return None
    return one[0] > other[1] or other[0] > one[1]


def _candidate(name: str, group: str, result: Result) -> Candidate:
    worst = max(_missed(result), key=itemgetter(0), default=(None, None, None))
    law = result.diagnostics.get("equivariance_skill_whitened")
    content = result.verdict.claims.get("content")
    return Candidate(
        name=name,
        group=group,
        missed=worst[0],
        interval=worst[1],
        timestep=worst[2],
        law=None if law is None else law.value,
        content="inconclusive" if content is None else content.status,
    )


def _missed(result: Result) -> list[tuple[float, tuple[float, float] | None, int | float]]:
    """Share of the spread of x0hat that is missed, its interval, and the timestep, at every level that has one."""
    acting = result.process.get("equivariance")
    if acting is not None:
        return [
            (level["error"]["value"], _pair(level["error"]["interval"]), level["timestep"])
            for level in acting.get("levels") or ()
            if level["error"]["value"] is not None
        ]
    levels = result.process.get("shared_affine_r2_denoised") or ()
    return [
        (1 - level["value"], _pair(level["interval"], complement=True), level["timestep"])
        for level in levels
        if level["value"] is not None
    ]


def _pair(interval: Sequence[float] | None, *, complement: bool = False) -> tuple[float, float] | None:
    if interval is None:
        return None
    low, high = interval
    return (1 - high, 1 - low) if complement else (low, high)


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


def _with_figure(item: Candidate) -> str:
    if item.missed is None:
        return f"{item.group} (not measured)"
    figure = f"{number(item.missed)} {interval(item.interval)}"
    return f"{item.group} (misses {figure} of the spread of x̂₀ at t = {number(item.timestep)})"
