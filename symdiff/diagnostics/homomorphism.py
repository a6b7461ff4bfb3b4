"""Does rho respect products: the homomorphism error over pairs of held-out elements.

``e^2 = E|rho(g2 g1) - rho(g2) rho(g1)|_F^2 / E|rho(g2) rho(g1) - I|_F^2``, a ratio of means and not a mean of ratios,
over all ordered pairs of distinct elements. It is relative to how much the products do, so that a random rho has
e = 1; a rho that does nothing has 0/0, which is given as 0 with a caution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics.block_norms import block_norms
from symdiff.diagnostics.evaluation import Evaluation, pieces
from symdiff.diagnostics.gauge import Basis, Gauge
from symdiff.diagnostics.intervals import cautions, few_units, pair_jackknife, root, trajectory_bootstrap
from symdiff.groups import GroupFamily
from symdiff.representations import Representation
from symdiff.result import Estimate

NOTHING = "rho is the identity on every pair, so the error is 0/0: see action_energy"
EXACT = "0 to the last bit"

CONSECUTIVE = 256
"""Sequences whose first two elements make the pairs of neighbours."""


@dataclass(frozen=True)
class PairTable:
    """Squared norms of every ordered pair (g2, g1) of K elements, in one basis.

    Attributes
    ----------
    defect
        ``[K, K]``: ``|rho(g2 g1) - rho(g2) rho(g1)|^2``, the row being g2.
    action
        ``[K, K]``: ``|rho(g2) rho(g1) - I|^2``.
    """

    defect: Float[Tensor, "k k"]
    action: Float[Tensor, "k k"]


def pair_tables(
    family: GroupFamily,
    representation: Representation,
    elements: Shaped[Tensor, "k *element"],
    gauge: Gauge,
    bases: tuple[Basis, ...] = get_args(Basis),
) -> dict[Basis, PairTable]:
    """The table of all pairs of `elements` in each of `bases`, a few rows at a time."""
    k, m = elements.shape[0], representation.dimension
    matrices = representation(elements)
    identity = torch.eye(m, dtype=matrices.dtype, device=matrices.device)
    rows: dict[Basis, list[tuple[Tensor, Tensor]]] = {basis: [] for basis in bases}
    norms = {basis: block_norms(gauge, basis, representation.block_sizes) for basis in bases}
    size = pieces(k * max(m * m, elements[0].numel()))
    for index in torch.split(torch.arange(k, device=elements.device), size):
        composed = family.compose(elements[index][:, None], elements[None])
        product = matrices[index][:, None] @ matrices[None]
        defect = representation(composed.flatten(0, 1)).reshape(product.shape) - product
        action = product - identity
        for basis in bases:
            rows[basis].append((norms[basis](defect), norms[basis](action)))
    return {
        basis: PairTable(torch.cat([defect for defect, _ in found]), torch.cat([action for _, action in found]))
        for basis, found in rows.items()
    }


def homomorphism_estimate(table: PairTable) -> Estimate:
    """The error e of a table of pairs, with the delete-one-element jackknife interval."""
    k = table.defect.shape[0]
    off = ~torch.eye(k, dtype=torch.bool, device=table.defect.device)
    defect, action = float(table.defect[off].sum()), float(table.action[off].sum())
    if defect == 0 or action == 0:
        reason = NOTHING if action == 0 else EXACT
        return Estimate(value=0.0 if defect == 0 else None, n=k, caution=cautions(reason, few_units(k)))
    value, interval = pair_jackknife(table.defect, table.action, square_root=True)
    return Estimate(value=value, interval=interval, n=k, caution=few_units(k))


def consecutive_estimate(evaluation: Evaluation) -> Estimate:
    """The error over neighbours in time along the held-out sequences, whitened; trajectories are its units."""
    actions = evaluation.sequences.actions[:CONSECUTIVE]
    if actions.shape[1] < 2:
        return Estimate(value=None, n=0, caution="no two elements are neighbours in time")
    rho, gauge, g1, g2 = evaluation.representation, evaluation.gauge, actions[:, 0], actions[:, 1]
    product = rho(g2) @ rho(g1)
    defect = gauge.energy(rho(evaluation.family.compose(g2, g1)) - product)
    action = gauge.energy(product - torch.eye(product.shape[-1]).to(product))
    trajectory = evaluation.sequences.trajectory[:CONSECUTIVE]
    units = len(torch.unique(trajectory))
    few = few_units(units, "trajectories")
    if float(defect.sum()) == 0 or float(action.sum()) == 0:
        exact = float(defect.sum()) == 0
        reason = NOTHING if float(action.sum()) == 0 else EXACT
        return Estimate(value=0.0 if exact else None, n=units, caution=cautions(reason, few))
    value = float((defect.sum() / action.sum()).sqrt())
    interval = trajectory_bootstrap(defect, action, trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap)
    return Estimate(value=value, interval=root(interval), n=units, caution=few)


def homomorphism_figure(evaluation: Evaluation, most: int = 24) -> float | None:
    """The error e in the whitened gauge over at most `most` of the elements: what nulls are judged by."""
    elements = spread(evaluation.elements, most)
    tables = pair_tables(evaluation.family, evaluation.representation, elements, evaluation.gauge, ("whitened",))
    return homomorphism_estimate(tables["whitened"]).value


def homomorphism_errors(evaluation: Evaluation) -> dict[str, Estimate]:
    """The homomorphism error in its four readings.

    ``homomorphism_error`` in the whitened gauge, ``_own_basis`` in the network's basis, ``_weighted`` the defect as it
    acts on the held-out latents, and ``_consecutive`` (whitened) over neighbours in time.
    """
    tables = pair_tables(evaluation.family, evaluation.representation, evaluation.elements, evaluation.gauge)
    return {
        "homomorphism_error": homomorphism_estimate(tables["whitened"]),
        "homomorphism_error_own_basis": homomorphism_estimate(tables["own"]),
        "homomorphism_error_weighted": homomorphism_estimate(tables["weighted"]),
        "homomorphism_error_consecutive": consecutive_estimate(evaluation),
    }


def spread(elements: Shaped[Tensor, "k *element"], most: int) -> Shaped[Tensor, "few *element"]:
    """At most `most` of the elements, evenly spread over their order."""
    k = elements.shape[0]
    if k <= most:
        return elements
    return elements[torch.linspace(0, k - 1, most, device=elements.device).round().long()]
