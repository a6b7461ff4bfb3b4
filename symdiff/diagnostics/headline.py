"""The few figures by which forms of rho are compared side by side."""

from __future__ import annotations

import torch

from symdiff.closed_form import principal_components
from symdiff.diagnostics.energy import action_energy
from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import homomorphism_errors
from symdiff.diagnostics.observed_law import observed_homomorphism_errors
from symdiff.diagnostics.prediction import LENGTHS, prediction_errors, rollouts
from symdiff.result import Estimate
from symdiff.trajectories import Trajectories

HEADLINE = (
    "homomorphism_error",
    "homomorphism_error_own_basis",
    "action_energy",
    "prediction_error",
    "prediction_error_n10",
    "prediction_error_whitened",
    "reconstruction_error",
    "reconstruction_error_n10",
)
"""Columns of the table of forms."""


@torch.no_grad()
def headline(evaluation: Evaluation) -> dict[str, Estimate]:
    """The estimates named in `HEADLINE`, without nulls."""
    found = rollouts(evaluation, evaluation.sequences, evaluation.latents)
    return {
        **laws(evaluation),
        "action_energy": action_energy(evaluation),
        **prediction_errors(evaluation, found),
    }


def laws(evaluation: Evaluation) -> dict[str, Estimate]:
    """The homomorphism errors: over pairs of elements, or over observed products where the law is not known."""
    known = evaluation.family.law_known
    return homomorphism_errors(evaluation) if known else observed_homomorphism_errors(evaluation)


def pca_row(evaluation: Evaluation, train: Trajectories, latent: int) -> dict[str, float]:
    """Share of the held-out variance that `latent` principal components of the training states leave."""
    fitted = principal_components(train.states.flatten(0, 1).flatten(1), latent)
    like = evaluation.sequences.observations
    mean, directions = fitted.mean.to(like), fitted.directions.to(like)
    row = {}
    for suffix, length in LENGTHS.items():
        if length >= like.shape[1]:
            continue
        x = like[:, : length + 1].flatten(0, 1).flatten(1)
        centred = x - mean
        left = centred.square().sum() - (centred @ directions.T).square().sum()
        row[f"reconstruction_error{suffix}"] = float(left / (x - x.mean(0)).square().sum())
    return row
