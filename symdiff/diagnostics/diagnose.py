"""Every diagnostic of one model on held-out data, each beside its nulls."""

from __future__ import annotations

import torch

from symdiff.diagnostics import collapse, energy, equivariance, group_laws, horizons, lsbd, prediction
from symdiff.diagnostics.commutators import matrix_commutator
from symdiff.diagnostics.evaluation import Curve, Diagnosis, Evaluation
from symdiff.diagnostics.factors import lsbd_of_factors
from symdiff.diagnostics.headline import laws
from symdiff.diagnostics.linear_maps import least_squares_residual
from symdiff.diagnostics.nulls import beside_nulls, null_evaluations, null_figures
from symdiff.diagnostics.observed_law import not_known
from symdiff.diagnostics.pca import pca_residual
from symdiff.diagnostics.permutation import permuted_elements
from symdiff.errors import UnknownLawError
from symdiff.result import Estimate
from symdiff.trajectories import ObservedSequences


@torch.no_grad()
def diagnose(evaluation: Evaluation) -> Diagnosis:
    """All estimates and curves of a model.

    Parameters
    ----------
    evaluation
        The model and the held-out data; it is not changed.

    Returns
    -------
    Diagnosis
        Estimates by name and curves by name; a figure that cannot be computed has value ``None`` and a caution.
    """
    found = prediction.rollouts(evaluation, evaluation.sequences, evaluation.latents)
    units = len(torch.unique(evaluation.sequences.trajectory))
    table, whitened = equivariance.along_sequences(evaluation)
    known = evaluation.family.law_known
    estimates: dict[str, Estimate | None] = {
        **laws(evaluation),
        "identity_error": group_laws.identity_error(evaluation) if known else not_known(),
        "inverse_error": group_laws.inverse_error(evaluation) if known else not_known(),
        "spectrum_error": group_laws.spectrum_error(evaluation) if known else not_known(),
        "matrix_commutator": _commutator(evaluation),
        "bracket_error": group_laws.bracket_error(evaluation),
        "action_energy": energy.action_energy(evaluation),
        "action_energy_own_basis": energy.action_energy_own_basis(evaluation),
        "faithfulness": energy.faithfulness(evaluation, energy.separations(evaluation)),
        "support_leakage": energy.support_leakage(evaluation),
        "support_dimension": Estimate(value=evaluation.gauge.dimension, n=units, better="higher"),
        "support_condition": Estimate(value=evaluation.gauge.condition, n=units),
        "followed_dimension": equivariance.followed_dimension(evaluation),
        "effective_rank": collapse.effective_rank(evaluation),
        "latent_spread": collapse.latent_spread(evaluation),
        "reconstruction_gap": collapse.reconstruction_gap(evaluation),
        "equivariance_error": equivariance.error_estimate(table, evaluation),
        "equivariance_skill": equivariance.skill_estimate(table, evaluation),
        "equivariance_skill_whitened": equivariance.skill_estimate(whitened, evaluation),
        "equivariance_error_crossed": _crossed(evaluation),
        "d_lsbd": lsbd_of_factors(evaluation) or lsbd.d_lsbd(evaluation),
        **prediction.prediction_errors(evaluation, found),
    }
    curves = _curves(evaluation, found)
    longer = horizons.long_sequences(evaluation)
    if longer is not None:
        curves |= horizons.horizon_curves(evaluation, longer)
        if known:
            curves |= horizons.word_length_curve(evaluation, longer)
        estimates["rollout_stability"] = horizons.rollout_stability(curves, longer, curves["eigenvalue_moduli"])
    figures = {name: null_figures(name, null) for name, null in null_evaluations(evaluation).items()}
    permuted = _permuted(evaluation)
    if permuted is not None:
        figures["permuted"], figures["permuted_p"] = permuted
    figures["pca"] = {**_pca(evaluation), **figures.get("pca", {})}
    present = {name: estimate for name, estimate in estimates.items() if estimate is not None}
    return Diagnosis(beside_nulls(present, figures), curves)


def _crossed(evaluation: Evaluation) -> Estimate:
    try:
        table, latents = equivariance.crossed(evaluation)
    except UnknownLawError as error:  # observed actions act on what they were observed on
        return Estimate(value=None, n=0, caution=error.message)
    estimate = equivariance.error_estimate(table, evaluation, equivariance.OFF_SUPPORT)
    variance = float(table.variance.sum())
    best = float(least_squares_residual(latents, evaluation.gauge).sum()) / variance if variance > 0 else None
    still = float(table.movement.sum()) / variance if variance > 0 else None
    return estimate.model_copy(update={"null": {"least_squares": best, "identity": still}})


def _commutator(evaluation: Evaluation) -> Estimate | None:
    observed = isinstance(evaluation.trajectories, ObservedSequences)
    return matrix_commutator(evaluation) if observed else None


def _permuted(evaluation: Evaluation) -> tuple[dict[str, float | None], dict[str, float | None]] | None:
    tested = permuted_elements(evaluation)
    if tested is None:
        return None
    test, movement = tested
    variance = float((evaluation.latents - evaluation.latents.mean((0, 1))).square().sum(-1).mean())
    median = float(test.null.median())
    figures = {
        "equivariance_error": median / variance if variance > 0 else None,
        "equivariance_skill": 1 - median / movement if movement > 0 else None,
    }
    return figures, dict.fromkeys(figures, test.p_value)


def _pca(evaluation: Evaluation) -> dict[str, float | None]:
    observations, trajectory = evaluation.sequences.observations, evaluation.sequences.trajectory
    components = evaluation.latents.shape[-1] - 1  # one coordinate is the constant 1
    figures: dict[str, float | None] = {}
    for suffix, length in prediction.LENGTHS.items():
        if length < observations.shape[1]:
            residual = pca_residual(observations[:, : length + 1], trajectory, components)
            figures[f"reconstruction_error{suffix}"] = residual
            figures["reconstruction_gap"] = None if residual is None else 1 - residual
    return figures


def _curves(evaluation: Evaluation, found: prediction.Rollouts) -> dict[str, Curve]:
    curves = {
        "latent_singular_values": evaluation.gauge.singular_values,
        "eigenvalue_moduli": group_laws.eigenvalue_moduli(evaluation.matrices),
        "prediction_curve": found.prediction.mean(0) / found.latent_variance.mean(),
    }
    if found.reconstruction is not None:
        curves["reconstruction_curve"] = found.reconstruction.mean(0) / found.variance.mean()
    return {name: curve.cpu().numpy() for name, curve in curves.items()}
