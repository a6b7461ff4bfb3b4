"""The isotypic spectrum: how the energy of states and estimates is spread over the irreps of a group, along a run."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units, trajectory_bootstrap
from symdiff.groups import GroupFamily
from symdiff.process.figures import Figure, figure
from symdiff.trajectories import Trajectories

EXACT = 1024
"""Images of more numbers than this have the dimensions of their components estimated."""

PROBES = 256


def component_dimensions(family: GroupFamily, seed: int = 0) -> dict[str, float]:
    """Dimension of every isotypic component: the trace of its projection, estimated for large images.

    Estimates are means of ``z . P z`` over random signs z (Hutchinson 1990), wrong by ``sqrt(2/PROBES)`` at most.
    """
    d = torch.Size(family.observation_shape).numel()
    if d <= EXACT:
        probes = torch.eye(d, dtype=torch.float64)
    else:
        signs = torch.randint(0, 2, (PROBES, d), generator=torch.Generator().manual_seed(seed))
        probes = 2 * signs.double() - 1
    parts = family.isotypic_components(probes.unflatten(1, family.observation_shape))
    scale = 1 if d <= EXACT else PROBES
    return {name: float((part.flatten(1) * probes).sum()) / scale for name, part in parts.items()}


def isotypic_spectrum(
    family: GroupFamily, trajectories: Trajectories, levels: list[int], seed: int, replicates: int
) -> dict[str, Any]:
    """Shares of the energy in every component, of states and of the recorded x0hat, raw and about their mean.

    Parameters
    ----------
    trajectories
        Held-out ones; the model is not asked.
    levels
        Indices of states.

    Returns
    -------
    dict
        ``absent``, why there is nothing, or ``components`` (``name``, ``dimension``, ``noise_share``: the dimension
        over all that the group moves, which is the share of white noise), ``levels``, each with ``timestep`` and under
        ``state``, ``denoised``, ``state_fluctuation`` and ``denoised_fluctuation`` a figure a component; no value where
        nothing fluctuates.
    """
    dimensions = component_dimensions(family, seed)
    if not dimensions:
        return {"absent": f"group {family.name!r} knows no isotypic components"}
    total = sum(dimensions.values())
    found = []
    for i in levels:
        state, denoised = trajectories.states[:, i].double(), trajectories.denoised[:, i].double()
        entry: dict[str, Any] = {"timestep": trajectories.time(i), "alpha_bar": float(trajectories.alpha_bar[i])}
        for name, x in (("state", state), ("denoised", denoised)):
            entry[name] = _shares(family, x, x, seed, replicates)
            entry[f"{name}_fluctuation"] = _shares(family, x - x.mean(0), x, seed, replicates)
        found.append(entry)
    return {
        "components": [
            {"name": name, "dimension": dimension, "noise_share": dimension / total}
            for name, dimension in dimensions.items()
        ],
        "levels": found,
        "caution": cautions(few_units(len(trajectories), "trajectories")),
    }


def _shares(
    family: GroupFamily, x: Float[Tensor, "n c h w"], whole: Tensor, seed: int, replicates: int
) -> dict[str, Figure]:
    """Share of every component in the energy of x that the group moves; rounding of `whole` does not count."""
    parts = {name: part.flatten(1).square().sum(1) for name, part in family.isotypic_components(x).items()}
    energy = torch.stack(list(parts.values())).sum(0)
    if not float(energy.sum()) > 1e-12 * float(whole.square().sum()):
        return {name: figure(None, None) for name in parts}
    unit = torch.arange(len(x))

    def share(part: Tensor) -> Figure:
        interval = trajectory_bootstrap(part, energy, unit, seed=seed, replicates=replicates)
        return figure(float(part.sum() / energy.sum()), interval)

    return {name: share(part) for name, part in parts.items()}
