"""Every null and reference on the same held-out data: a figure means something only beside them.

``identity`` rho = 1; ``scale`` the best ``rho = a^s`` and ``blind`` the best ``exp(M log a)``; ``common_linear`` one
linear map for all elements; ``haar`` a random orthogonal rho; ``untrained`` the same architecture with fresh weights;
``pca`` the closed-form linear model of the same m.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from symdiff.diagnostics.blind import blind_representations
from symdiff.diagnostics.energy import energy_figure, separations
from symdiff.diagnostics.equivariance import equivariance_figures
from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import homomorphism_figure
from symdiff.diagnostics.linear_maps import ConstantRepresentation, HaarRepresentation, common_linear_map
from symdiff.diagnostics.observed_law import observed_homomorphism_figure
from symdiff.diagnostics.prediction import prediction_figures, rollouts
from symdiff.result import Estimate

NO_REPRESENTATION = frozenset({"common_linear"})
"""References that are no representation: laws of a homomorphism are not asked of them."""

OWN_DECODER = frozenset({"untrained", "pca", "identity", "blind"})
"""Nulls whose reconstruction is worth decoding for."""


def null_evaluations(evaluation: Evaluation) -> dict[str, Evaluation]:
    """The same data under every null, by name."""
    family, latents = evaluation.family, evaluation.latents
    identity = torch.eye(latents.shape[-1]).to(latents)
    representations = {
        "identity": ConstantRepresentation(family, identity),
        **blind_representations(evaluation),
        "common_linear": ConstantRepresentation(family, common_linear_map(evaluation)),
        "haar": HaarRepresentation(family, evaluation.gauge, evaluation.seed),
    }
    found = {name: evaluation.with_representation(rho) for name, rho in representations.items()}
    found["untrained"] = evaluation.with_model(evaluation.untrained)
    if evaluation.reference is not None:
        found["pca"] = evaluation.with_model(evaluation.reference)
    return found


def null_figures(name: str, evaluation: Evaluation) -> dict[str, float | None]:
    """The figures of one null, by the names of the estimates they stand beside."""
    found = rollouts(evaluation, evaluation.sequences, evaluation.latents, reconstruct=name in OWN_DECODER)
    figures = {**prediction_figures(found), **equivariance_figures(evaluation)}
    if name in NO_REPRESENTATION:
        return figures
    figure = homomorphism_figure if evaluation.family.law_known else observed_homomorphism_figure
    figures["homomorphism_error"] = figure(evaluation)
    figures["action_energy"] = energy_figure(evaluation)
    if name != "haar":  # a random rho separates even an element from itself
        figures["faithfulness"] = separations(evaluation).smallest
    return figures


def beside_nulls(
    estimates: Mapping[str, Estimate], figures: Mapping[str, Mapping[str, float | None]]
) -> dict[str, Estimate]:
    """The estimates with the figures of every null (by name of the null, then of the estimate) filled in."""
    return {
        name: estimate.model_copy(
            update={"null": {**{null: row[name] for null, row in figures.items() if name in row}, **estimate.null}}
        )
        for name, estimate in estimates.items()
    }
