"""What was found of a model's symmetry, in sentences: which elements, where it breaks, and what could be the cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.diagnostics.equivariant_content import equivariant_at, trivial
from symdiff.diagnostics.thresholds import Thresholds
from symdiff.process.ranges import figure, ranges
from symdiff.process.symmetry_words import (
    averaged_words,
    interpolation_words,
    lie_words,
    sampler_words,
    spectrum_words,
)
from symdiff.report.notation import joined, number, setting

Found = Mapping[str, Any]

NAMED = 6
"""Elements named in a sentence."""

AT_ROUNDING = 1e-6
"""A relative error below this is called rounding."""


def equivariance_words(found: Found, limits: Thresholds | None = None) -> list[str]:
    """Sentences on what `symdiff.process.equivariance` found, in the order in which one would ask."""
    limits = limits or Thresholds()
    if found.get("absent"):
        return [
            f"Whether the model commutes with {found['group']} was not measured: {found['absent']}.",
            *spectrum_words(found["isotypic"]),
        ]
    levels = found["levels"]
    return [
        _skill(found, limits),
        *_elements(found, limits),
        _size(levels),
        *_nulls(found, limits),
        *interpolation_words(levels),
        *sampler_words(found),
        *lie_words(found["lie"]),
        *spectrum_words(found["isotypic"]),
        *averaged_words(found["symmetrized"]),
    ]


def _skill(found: Found, limits: Thresholds) -> str:
    levels = found["levels"]
    by_status: dict[str, list[int]] = {}
    for i, level in enumerate(levels):
        known = level["skill"]["value"] is not None
        status = equivariant_at(level["skill"], level["caution"], limits) if known else "left out"
        by_status.setdefault(status, []).append(i)
    deciding = [level for level in levels if level["skill"]["value"] is not None]
    if not deciding:
        return "x̂₀ is nearly invariant under the group at every noise level: there is nothing to be equivariant about."
    worst = min(deciding, key=lambda level: float(level["skill"]["value"]))
    least = f"the skill is least at t = {number(worst['timestep'])}, {figure(worst['skill'])}"
    alpha_bar = {float(level["timestep"]): level["alpha_bar"] for level in levels}
    texts = []
    for status, text in (
        ("supported", f"it does (interval of the skill above {setting(limits.equivariance_supported)}) at"),
        ("not supported", f"it does not (interval below {setting(limits.equivariance_refuted)}) at"),
        ("inconclusive", "it is not settled at"),
        ("left out", "nothing can be said, x̂₀ being nearly invariant itself, at"),
    ):
        if status in by_status:
            texts.append(f"{text} {ranges(levels, by_status[status], alpha_bar)}")
    count = len(found["elements"])
    tried = f"{count} element{'' if count == 1 else 's'}" + (
        ", all Haar elements but the identity" if found["complete"] else ""
    )
    return f"Does the denoiser commute with {found['group']} ({tried})? {_capital('; '.join(texts))}: {least}."


def _elements(found: Found, limits: Thresholds) -> list[str]:
    """Which elements are symmetries by themselves, where they are not all or none."""
    kept, broken = [], []
    for i, element in enumerate(found["elements"]):
        judged = [
            (level, equivariant_at(level["elements"][i]["skill"], level["caution"], limits))
            for level in found["levels"]
            if level["elements"][i]["skill"]["value"] is not None
        ]
        if not judged:
            continue
        refuted = [level for level, status in judged if status == "not supported"]
        if refuted:
            worst = min(refuted, key=lambda level: float(level["elements"][i]["skill"]["value"]))
            broken.append((element["name"], worst["timestep"], worst["elements"][i]["skill"]))
        elif all(status == "supported" for _, status in judged):
            kept.append(element["name"])
    sentences = []
    if kept:
        every = len(kept) == len(found["elements"])
        sentences.append(
            "Every element tried is a symmetry of the denoiser at every level that decides."
            if every
            else f"Symmetries of the denoiser at every level that decides: {_listed(kept)}."
        )
    if broken:
        texts = [f"{name} (skill {figure(skill)} at t = {number(t)})" for name, t, skill in broken]
        all_of = " (all of them)" if len(broken) == len(found["elements"]) else ""
        sentences.append(f"Elements that are no symmetries{all_of}: {_listed(texts)}.")
    return sentences


def _size(levels: Sequence[Found]) -> str:
    known = [level for level in levels if level["error"]["value"] is not None]
    if not known:
        return "x̂₀ does not vary between states: its error has nothing to be relative to."
    worst, best = (pick(known, key=lambda level: float(level["error"]["value"])) for pick in (max, min))
    if worst["error"]["value"] < AT_ROUNDING:
        return (
            f"E‖x̂₀(gx) − g x̂₀(x)‖² is {number(worst['error']['value'], 2)} of the spread of x̂₀ at most "
            f"(t = {number(worst['timestep'])}): rounding."
        )
    noise = max(
        (level for level in levels if level["eps_error"]["value"] is not None),
        key=lambda level: float(level["eps_error"]["value"]),
    )
    return (
        f"E‖x̂₀(gx) − g x̂₀(x)‖² is {figure(best['error'])} of the spread of x̂₀ at t = {number(best['timestep'])} and "
        f"{figure(worst['error'])} at t = {number(worst['timestep'])} (two unrelated images of one law would be 2 "
        "apart; more is possible where the spread is small against the mean); the predicted noise misses by "
        f"{figure(noise['eps_error'])} of its size at most (t = {number(noise['timestep'])})."
    )


def _nulls(found: Found, limits: Thresholds) -> list[str]:
    texts = []
    p = [level["permuted_p"] for level in found["levels"] if level["permuted_p"] is not None]
    if p:
        texts.append(f"exchanging the elements gives a p-value between {number(min(p), 2)} and {number(max(p), 2)}")
    skills = [
        level["random"]["skill"]
        for level in found["levels"]
        if level["random"] is not None and level["random"]["skill"] is not None
    ]
    easy = [i for i, level in enumerate(found["levels"]) if trivial(level, limits)]
    if skills:
        texts.append(f"a network of random weights has a skill of {number(min(skills))} to {number(max(skills))}")
        if easy:
            texts.append(f"it passes, so that passing says nothing, at {ranges(found['levels'], easy, {})}")
    elif found["random_absent"]:
        texts.append(f"a network of random weights was not tried: {found['random_absent']}")
    return [f"Nulls: {'; '.join(texts)}."] if texts else []


def _listed(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return joined(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
