"""What was found around a model's symmetry, in sentences: interpolation, the sampler, the spectrum and the average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.diagnostics.equivariant_content import INTERPOLATION
from symdiff.process.ranges import figure
from symdiff.report.notation import number

Found = Mapping[str, Any]


def interpolation_words(levels: Sequence[Found]) -> list[str]:
    """Whether the action is exact, and if not, whether that could be the cause."""
    lost = [level["interpolation"]["state"] for level in levels if level["interpolation"]["state"]]
    if not lost:
        return ["The action is exact on all of an image: interpolation takes no part in these errors."]
    text = f"{number(min(lost))} to {number(max(lost))} of the energy of the states is outside what the group moves"
    floors = [
        (level["floor"], level["error"]["value"], level["timestep"])
        for level in levels
        if level["floor"] is not None and level["error"]["value"]
    ]
    if floors:
        floor, error, t = max(floors, key=lambda row: row[0] / row[1])
        doubtful = any(INTERPOLATION in (level["caution"] or "") for level in levels)
        text += (
            ". Exchanging that part between states, or moving a state there and back, changes x̂₀ by up to "
            f"{number(floor)} of its spread at t = {number(t)}, where the error is {number(error)}: "
        )
        text += "there it could be the cause" if doubtful else "it is not what makes the error"
    return [f"{text}."]


def sampler_words(found: Found) -> list[str]:
    """What becomes of it in a step, and over a run."""
    texts = []
    if found["step_absent"]:
        return [f"The step and the run were not compared: {found['step_absent']}."]
    steps = [level for level in found["levels"] if (level["step"] or {}).get("value") is not None]
    if steps:
        worst = max(steps, key=lambda level: float(level["step"]["value"]))
        texts.append(
            f"Steps from g x with the noise g z miss g times the step by {figure(worst['step'])} of the spread of the "
            f"next state at most (t = {number(worst['timestep'])})."
        )
    run = found["run"]
    if run.get("absent"):
        texts.append(f"The whole run was not compared: {run['absent']}.")
    else:
        texts.append(
            f"Whole runs from moved noise end {figure(run)} of the spread of the images away from the moved images "
            f"({run['trajectories']} runs)"
            + (
                "."
                if run["floor"] is None
                else f"; {number(run['floor'])} by what the action does not move or not exactly."
            )
        )
    return texts


def lie_words(lie: Found) -> list[str]:
    """The largest Lie derivative."""
    levels = [] if lie.get("absent") else [(g, lv["timestep"]) for lv in lie["levels"] for g in lv["generators"]]
    known = [(g, t) for g, t in levels if g["value"] is not None]
    if not known:
        return []
    worst, t = max(known, key=lambda row: float(row[0]["value"]))
    return [
        f"The Lie derivative of x̂₀ is {figure(worst)} of its spread at most, per unit of the generator squared "
        f"(t = {number(t)}; {lie['method']})."
    ]


def spectrum_words(isotypic: Found) -> list[str]:
    """Which component the images gather in, against the noise they come from."""
    if isotypic.get("absent"):
        return []
    noise = {part["name"]: part["noise_share"] for part in isotypic["components"]}
    first, last = isotypic["levels"][0], isotypic["levels"][-1]
    known = {name: share for name, share in last["denoised"].items() if share["value"] is not None}
    if not known:
        return []
    name = max(known, key=lambda name: float(known[name]["value"]) - noise[name])
    return [
        f"Of the energy the group moves, the component {name} holds {figure(first['state'].get(name))} of the state at "
        f"t = {number(first['timestep'])} and {figure(known[name])} of x̂₀ at t = {number(last['timestep'])}; white "
        f"noise has {number(noise[name])} there."
    ]


def averaged_words(changed: Found) -> list[str]:
    """What averaging over the group changes."""
    if changed.get("absent"):
        return [f"The average over the group was not tried: {changed['absent']}."]
    bits = changed["bits_per_dim"]
    ends = bits["difference"]["interval"] or (float("-inf"), float("inf"))
    verdict = "better" if ends[1] < 0 else "worse" if ends[0] > 0 else "no different within the interval"
    return [
        f"Averaged over {changed['elements']} elements, the model is {verdict} on {changed['images']} of "
        f"{changed['origin']}: the bound goes from {figure(bits['before'])} to {figure(bits['after'])} bits per "
        f"dimension, a difference of {figure(bits['difference'])} image by image."
    ]
