"""Prediction and reconstruction along rollouts, as shares of variance.

With ``z_1 = h(o_1)`` and ``z_{t+1} = rho(g_t) z_t``: the prediction error is ``E|h(o_t) - z_t|^2 / E|h - mean h|^2``
over t = 2 ... N+1, the reconstruction error ``E|o_t - d(z_t)|^2 / E|o - mean o|^2`` over t = 1 ... N+1. Both shares are
in the network's own basis; the whitened prediction error does not let a badly predicted small direction hide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.intervals import few_units, trajectory_bootstrap
from symdiff.result import Estimate
from symdiff.trajectories import Sequences

LENGTHS = {"": 3, "_n10": 10}
"""Suffix of the figure's name, and the number of actions it is about."""


@dataclass(frozen=True)
class Rollouts:
    """Squared errors of rollouts, per sequence and time, with the variances they are shares of.

    Attributes
    ----------
    prediction, whitened
        ``[n, N+1]``: ``|h(o_t) - z_t|^2`` in the network's basis and in the whitened gauge.
    reconstruction
        ``[n, N+1]``: ``|o_t - d(z_t)|^2``; ``None`` if it was not asked for.
    latent_variance, whitened_variance, variance
        ``[n, N+1]``: ``|h(o_t) - mean h|^2`` in both bases and ``|o_t - mean o|^2``.
    """

    prediction: Float[Tensor, "n obs"]
    whitened: Float[Tensor, "n obs"]
    reconstruction: Float[Tensor, "n obs"] | None
    latent_variance: Float[Tensor, "n obs"]
    whitened_variance: Float[Tensor, "n obs"]
    variance: Float[Tensor, "n obs"]


def rollouts(
    evaluation: Evaluation,
    sequences: Sequences,
    latents: Float[Tensor, "n obs m"],
    reconstruct: bool = True,
) -> Rollouts:
    """Roll rho out along `sequences`, whose encoded observations are `latents`."""
    predicted = evaluation.rollout(sequences.actions, latents[:, 0])
    observations, whiten = sequences.observations, evaluation.gauge.whiten
    centred, missed = latents - latents.mean((0, 1)), latents - predicted
    decoded = evaluation.decode(predicted.flatten(0, 1)).reshape(observations.shape) if reconstruct else None
    return Rollouts(
        prediction=missed.square().sum(-1),
        whitened=(missed @ whiten.T).square().sum(-1),
        reconstruction=None if decoded is None else (observations - decoded).flatten(2).square().sum(-1),
        latent_variance=centred.square().sum(-1),
        whitened_variance=(centred @ whiten.T).square().sum(-1),
        variance=(observations - observations.mean((0, 1))).flatten(2).square().sum(-1),
    )


def share(error: Float[Tensor, "n terms"], variance: Float[Tensor, "n obs"]) -> float | None:
    """Mean error over mean variance, each over its own number of times."""
    total = float(variance.mean())
    return float(error.mean()) / total if total > 0 else None


def prediction_errors(evaluation: Evaluation, found: Rollouts) -> dict[str, Estimate]:
    """The shares of variance at every length of `LENGTHS`, with intervals over trajectories."""
    estimates: dict[str, Estimate] = {}
    longest = found.prediction.shape[1] - 1
    for suffix, length in LENGTHS.items():
        if length > longest:
            reason = f"the sequences have only {longest} actions"
            names = ("prediction_error", "reconstruction_error", "prediction_error_whitened")
            estimates |= {name + suffix: Estimate(value=None, n=0, caution=reason) for name in names}
            continue
        for name, error, variance in _shares(found, length):
            estimates[name + suffix] = _estimate(evaluation, error, variance)
    return estimates


def prediction_figures(found: Rollouts) -> dict[str, float | None]:
    """The same shares without intervals: what nulls are judged by."""
    return {
        name + suffix: share(error, variance)
        for suffix, length in LENGTHS.items()
        if length < found.prediction.shape[1]
        for name, error, variance in _shares(found, length)
    }


def _shares(found: Rollouts, length: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, error and the variance it is a share of, for `length` actions."""
    # Prediction leaves out t = 1, where it is zero by construction.
    t, t_prediction = slice(0, length + 1), slice(1, length + 1)
    yield "prediction_error", found.prediction[:, t_prediction], found.latent_variance[:, t]
    yield "prediction_error_whitened", found.whitened[:, t_prediction], found.whitened_variance[:, t]
    if found.reconstruction is not None:
        yield "reconstruction_error", found.reconstruction[:, t], found.variance[:, t]


def _estimate(evaluation: Evaluation, error: Tensor, variance: Tensor) -> Estimate:
    trajectory = evaluation.sequences.trajectory
    units = len(torch.unique(trajectory))
    value = share(error, variance)
    if value is None:
        return Estimate(value=None, n=units, caution="no variance to be a share of")
    interval = trajectory_bootstrap(
        error.mean(1), variance.mean(1), trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap
    )
    return Estimate(value=value, interval=interval, n=units, caution=few_units(units, "trajectories"))
