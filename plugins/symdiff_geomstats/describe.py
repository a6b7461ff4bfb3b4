"""What a run says of the curve ``t -> rho(g_t)`` on the manifold: ``process.manifold`` of the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from symdiff.diagnostics.intervals import cautions, few_units, mean_interval, root, trajectory_bootstrap
from symdiff.groups import Description
from symdiff_geomstats.curve import Straightness, about_mean, off_subgroup, products, subgroup_of
from symdiff_geomstats.family import GeomstatsFamily
from symdiff_geomstats.manifolds import Manifold, Rotations
from symdiff_geomstats.mean import frechet_mean
from symdiff_geomstats.values import ENTRIES, UNDEFINED, manifold_of, squared_length, values
from symdiff_geomstats.words import in_words

TRAJECTORIES = 32
"""Held-out trajectories whose curves are described."""

POINTS = 256
"""Points of a curve; more are thinned evenly (products are of all steps)."""

DRAWN = 6
"""Trajectories drawn."""

SHARES = 4


@torch.no_grad()
def describe(evaluation: Any) -> Description:
    """Mean, variance, principal directions and straightness of both curves, word lengths, and what the report draws."""
    manifold, family = manifold_of(evaluation), evaluation.family
    if manifold is None or not isinstance(family, GeomstatsFamily):
        return Description({}, {})
    steps = curves(evaluation, family)
    document: dict[str, Any] = {
        "manifold": manifold.name,
        "n": manifold.n,
        "size": manifold.size,
        "blocks": steps.shape[2],
        "trajectories": len(steps),
        "steps": steps.shape[1],
        "sees": manifold.sees,
        "follows_translations": manifold.follows_translations,
        "curves": {},
    }
    arrays: dict[str, NDArray[Any]] = {}
    for name, curve in (("steps", steps), ("products", products(steps))):
        points = curve[:, _thin(curve.shape[1])]
        document["curves"][name] = {
            **_about_mean(manifold, points, evaluation),
            "subgroup": _off_subgroup(manifold, steps, curve, name, evaluation),
        }
        arrays |= _drawn(manifold, points, name)
    document["word_length"] = _word_lengths(evaluation, manifold)
    document["words"] = in_words(document)
    return Description({"manifold": document}, arrays)


def curves(evaluation: Any, family: GeomstatsFamily) -> Float[Tensor, "n t k s s"]:
    """Values of rho on the usable steps of held-out trajectories, a few steps at a time."""
    trajectories = evaluation.trajectories
    which = torch.arange(min(len(trajectories), TRAJECTORIES))
    usable = family.usable_steps(trajectories)
    size = max(ENTRIES // (len(which) * family.element_shape[0]), 1)
    device = evaluation.elements.device
    parts = [
        values(evaluation.representation, family.steps(trajectories, which, when).to(device))
        for when in torch.split(usable, size)
    ]
    return torch.cat(parts, dim=1)


def _about_mean(manifold: Manifold, points: Tensor, evaluation: Any) -> dict[str, Any]:
    try:
        found = about_mean(manifold, points)
    except UNDEFINED as error:
        return {"mean": None, "variance": _unknown(error.message), "shares": [], "geodesic": _unknown(error.message)}
    converged, n = int(found.mean.converged.sum()), len(points)
    caution = f"the mean converged for {converged} of {n} trajectories only" if converged < n else None
    variance = found.variance / points.shape[2]
    geodesic = _ratio(found.geodesic, evaluation)
    return {
        "mean": {
            "converged": converged,
            "iterations": found.mean.iterations,
            "residual": float(found.mean.residual.max()),
            "distance_from_identity": float(
                (squared_length(manifold, found.mean.point) / points.shape[2]).mean().sqrt()
            ),
        },
        "variance": {"value": float(variance.mean()), "interval": mean_interval(variance), "caution": caution},
        "shares": [float(share) for share in found.shares[:, :SHARES].mean(0)],
        "geodesic": {**geodesic, "caution": cautions(caution, geodesic["caution"])},
    }


def _off_subgroup(manifold: Manifold, steps: Tensor, curve: Tensor, name: str, evaluation: Any) -> dict[str, Any]:
    try:
        subgroup = subgroup_of(manifold, steps)
        along = subgroup.steps if name == "steps" else subgroup.steps.cumsum(-1)
        return _ratio(off_subgroup(manifold, curve, subgroup, along), evaluation)
    except UNDEFINED as error:
        return _unknown(error.message)


def _ratio(found: Straightness, evaluation: Any) -> dict[str, Any]:
    """The root of a ratio of sums with its interval over trajectories."""
    n, total = len(found.total), float(found.total.sum())
    if not total > 0:
        return _unknown("the curve is one point")
    each = torch.arange(n, device=found.total.device)
    interval = trajectory_bootstrap(
        found.defect, found.total, each, seed=evaluation.seed, replicates=evaluation.bootstrap
    )
    value = (float(found.defect.sum()) / total) ** 0.5
    return {"value": value, "interval": root(interval), "caution": few_units(n, "trajectories")}


def _unknown(reason: str) -> dict[str, Any]:
    return {"value": None, "interval": None, "caution": reason}


def _word_lengths(evaluation: Any, manifold: Manifold) -> list[dict[str, Any]]:
    """The geodesic homomorphism error of words of consecutive held-out elements, by their length."""
    family, rho, sequences = evaluation.family, evaluation.representation, evaluation.sequences
    word, product = sequences.actions[:, 0], values(rho, sequences.actions[:, 0])
    lengths = sorted({2, 3, 5, sequences.length} & set(range(2, sequences.length + 1)))
    rows = []
    for step in range(1, sequences.length):
        word = family.compose(sequences.actions[:, step], word)
        product = values(rho, sequences.actions[:, step]) @ product
        if step + 1 not in lengths:
            continue
        try:
            defect = squared_length(manifold, manifold.inverse(values(rho, word)) @ product)
            total = squared_length(manifold, product)
        except UNDEFINED as error:
            rows.append({"length": step + 1, **_unknown(error.message)})
            continue
        if not float(total.sum()) > 0:
            rows.append({"length": step + 1, **_unknown("rho is the identity: 0/0")})
            continue
        interval = trajectory_bootstrap(
            defect, total, sequences.trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap
        )
        value = float((defect.sum() / total.sum()).sqrt())
        rows.append({"length": step + 1, "value": value, "interval": root(interval), "caution": None})
    return rows


def _drawn(manifold: Manifold, points: Tensor, name: str) -> dict[str, NDArray[Any]]:
    """The curves of a few trajectories in the plane of their common principal components, and on the ball of SO(3)."""
    few = points[:DRAWN]
    try:
        mean = frechet_mean(manifold, few.flatten(0, 1))
        tangents = manifold.coordinates(manifold.geodesic_log(manifold.inverse(mean.point) @ few)).flatten(2)
    except UNDEFINED:
        return {}
    _, singular, right = torch.linalg.svd(tangents.flatten(0, 1), full_matrices=False)
    if right.shape[0] < 2:
        return {}
    found = {
        f"manifold_plane_{name}": (tangents @ right[:2].T).cpu().numpy(),
        f"manifold_plane_{name}_shares": (singular.square() / singular.square().sum().clamp_min(1e-300))[:2]
        .cpu()
        .numpy(),
    }
    if isinstance(manifold, Rotations) and manifold.n == 3:
        try:
            logs = manifold.log(few[:, :, 0])
        except UNDEFINED:
            return found
        found[f"manifold_ball_{name}"] = (
            torch.stack([logs[..., 2, 1], logs[..., 0, 2], logs[..., 1, 0]], -1).cpu().numpy()
        )
    return found


def _thin(count: int) -> Tensor:
    if count <= POINTS:
        return torch.arange(count)
    return torch.from_numpy(np.linspace(0, count - 1, POINTS).round().astype(np.int64))
