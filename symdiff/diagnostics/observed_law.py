"""What is judged where the group law is not known: products that were observed, and nothing that was not."""

from __future__ import annotations

from typing import get_args

import torch

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.gauge import Basis
from symdiff.diagnostics.intervals import FEWEST, cautions, few_units, root, trajectory_bootstrap
from symdiff.result import Estimate

LAW_UNKNOWN = "the group law of these actions is not known"

SUFFIX: dict[Basis, str] = {"whitened": "", "own": "_own_basis", "weighted": "_weighted"}


def not_known() -> Estimate:
    """The estimate of a figure that needs the group law."""
    return Estimate(value=None, n=0, caution=LAW_UNKNOWN)


def observed_homomorphism_errors(evaluation: Evaluation) -> dict[str, Estimate]:
    """``e^2 = E|rho(g21) - rho(g2) rho(g1)|^2 / E|rho(g2) rho(g1) - I|^2`` over the products that were observed.

    In the three bases of `symdiff.diagnostics.homomorphism`. Sequences are the units of its interval. Where fewer than
    `FEWEST` products were observed it is not given.
    """
    return {f"homomorphism_error{SUFFIX[basis]}": _error(evaluation, basis) for basis in get_args(Basis)}


def observed_homomorphism_figure(evaluation: Evaluation) -> float | None:
    """The error in the whitened gauge without its interval: what nulls are judged by."""
    if len(evaluation.compositions.g1) < FEWEST:
        return None
    defect, action = _energies(evaluation, "whitened")
    total = float(action.sum())
    return float((defect.sum() / total).sqrt()) if total > 0 else (0.0 if float(defect.sum()) == 0 else None)


def _error(evaluation: Evaluation, basis: Basis) -> Estimate:
    found = evaluation.compositions
    count, units = len(found.g1), len(torch.unique(found.trajectory))
    if count < FEWEST:
        observed = f"{count or 'no'} product{'s' if count != 1 else ''} of two consecutive actions"
        return Estimate(
            value=None,
            n=count,
            caution=f"{LAW_UNKNOWN}, and {observed} {'were' if count != 1 else 'was'} observed among the held-out "
            f"actions; {FEWEST} are needed",
        )
    defect, action = _energies(evaluation, basis)
    several = f"{found.several} of them could have been another action as well" if found.several else None
    note = cautions(f"over {count} products that were observed: {LAW_UNKNOWN}", several, few_units(units, "sequences"))
    total = float(action.sum())
    if total == 0:
        return Estimate(value=0.0 if float(defect.sum()) == 0 else None, n=units, caution=f"rho does nothing; {note}")
    interval = trajectory_bootstrap(
        defect, action, found.trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap
    )
    value = float((defect.sum() / total).sqrt())
    return Estimate(value=value, interval=root(interval), n=units, caution=note)


def _energies(evaluation: Evaluation, basis: Basis) -> tuple[torch.Tensor, torch.Tensor]:
    rho, gauge, found = evaluation.representation, evaluation.gauge, evaluation.compositions
    product = rho(found.g2) @ rho(found.g1)
    identity = torch.eye(product.shape[-1]).to(product)
    return gauge.energy(rho(found.g21) - product, basis), gauge.energy(product - identity, basis)
