"""The equivariance of a denoiser level by level: each by itself, then against what x0hat shows of the action at all."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from symdiff.diagnostics.equivariant_content import INTERPOLATION, INVISIBLE, MATERIAL
from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.groups import GroupFamily
from symdiff.process.acting import Asked, Budget, Elements, partial
from symdiff.process.figures import Figure, figure
from symdiff.process.lie_derivative import lie_derivative
from symdiff.process.moved import Moved, move
from symdiff.process.moved_figures import Judge, moved_figures
from symdiff.process.moved_run import whole_step
from symdiff.process.random_network import random_network
from symdiff.progress import Progress
from symdiff.trajectories import Trajectories

VISIBLE = 1e-3
"""Share of the largest spread of x0hat along the run. Where moving x0hat by another element changes less than this,
it is nearly invariant: nothing is left for the skill to compare with, and the errors of a model count for more than its
symmetry."""

NO_ARCHITECTURE = "the embedded architecture takes square images of one channel and an even side"


def equivariance_levels(
    family: GroupFamily,
    model: Asked,
    trajectories: Trajectories,
    elements: Elements,
    levels: list[int],
    budget: Budget,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """``levels``, ``random_absent`` and ``lie`` of what `symdiff.process.equivariance` finds, from its arguments."""
    judge = Judge(elements.complete, seed, budget.replicates)
    untrained = random_network(model.denoiser, seed)
    tables: list[Moved] = []
    entries: list[dict[str, Any]] = []
    lie: list[list[Figure]] = []
    differentiable = True
    for done, i in enumerate(levels):
        t = trajectories.time(i)
        x = trajectories.states[:, i].to(model.place, model.dtype) / float(trajectories.scale[i])
        energy = {"state": x, "denoised": trajectories.denoised[:, i]}
        lost = {name: _lost(family, value) for name, value in energy.items()}
        moved = move(family, model, x, t, elements, exact=not partial(family, x))
        entry: dict[str, Any] = {"timestep": t, "alpha_bar": float(trajectories.alpha_bar[i]), "interpolation": lost}
        entry["step"] = _step(family, moved, trajectories, i, judge)
        entry["random"] = None
        if untrained is not None:
            null = move(family, Asked(untrained, model.device), x.float(), t, elements, exact=True)
            entry["random"] = {key: moved_figures(null, judge, 0.0)[key]["value"] for key in ("error", "skill")}
        if family.is_lie:
            derivatives, differentiable = _lie(family, model, x, t, moved, judge, differentiable)
            lie.append(derivatives)
        tables.append(moved)
        entries.append(entry)
        progress.update(done + 1, len(levels))
    visible = VISIBLE * max(float(moved.spread.mean()) for moved in tables)
    for entry, moved in zip(entries, tables, strict=True):
        entry |= moved_figures(moved, judge, visible)
        entry["caution"] = _caution(entry, elements, len(trajectories))
    return {
        "levels": entries,
        "random_absent": None if untrained is not None else NO_ARCHITECTURE,
        "lie": _lie_document(family, lie, entries, differentiable),
    }


def _caution(entry: dict[str, Any], elements: Elements, n: int) -> str | None:
    error, floor = entry["error"]["value"], entry["floor"]
    doubtful = error is not None and floor is not None and floor >= MATERIAL * error and floor > 0
    return cautions(
        INVISIBLE if entry["skill"]["value"] is None else None,
        INTERPOLATION if doubtful else None,
        few_units(n, "held-out trajectories"),
        None if elements.complete else few_units(len(elements)),
    )


def _lost(family: GroupFamily, x: Tensor) -> float | None:
    """Mean share of the energy that the group does not move faithfully; ``None`` where the action is exact."""
    share = family.interpolation_error(x)
    return None if share is None else float(share.double().mean())


def _step(family: GroupFamily, moved: Moved, trajectories: Trajectories, i: int, judge: Judge) -> Figure | None:
    """Error of the next state, ``Q^2 |x0hat(gx) - g x0hat(x)|^2``, relative to its spread."""
    if whole_step(trajectories) is not None:
        return None
    after = family.observed(trajectories.states[:, i + 1]).flatten(1).double()
    n = len(after)
    spread = (after - after.mean(0)).square().sum(1) * n / max(n - 1, 1)
    missed = moved.clipped if trajectories.info.get("clip") else moved.missed
    weighted = float(trajectories.denoised_coefficient[i]) ** 2 * missed
    return judge.ratio(weighted, spread[:, None].expand_as(missed))


def _lie(
    family: GroupFamily, model: Asked, x: Tensor, t: int | float, moved: Moved, judge: Judge, forward: bool
) -> tuple[list[Figure], bool]:
    """Squared Lie derivatives relative to the spread of x0hat, a figure a generator."""
    here = x.to(model.device)
    found, exact = lie_derivative(family, model.denoiser, here, t, forward=forward)
    figures = []
    for derivative in found.to(model.place):
        square = family.observed(derivative).flatten(1).double().square().sum(1).cpu()
        if moved.constant:
            figures.append(figure(None, None))
            continue
        value = float(square.sum() / moved.spread.sum())
        figures.append(figure(value, judge.over_states(square, moved.spread)))
    return figures, exact


def _lie_document(
    family: GroupFamily, lie: list[list[Figure]], entries: list[dict[str, Any]], exact: bool
) -> dict[str, Any]:
    if not lie:
        return {"absent": f"group {family.name!r} gives no Lie algebra"}
    times = [entry["timestep"] for entry in entries]
    return {
        "method": "forward-mode derivative" if exact else "central differences",
        "generators": len(lie[0]),
        "levels": [{"timestep": t, "generators": found} for t, found in zip(times, lie, strict=True)],
    }
