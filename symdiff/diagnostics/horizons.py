"""How errors grow: with the length of a word of group elements, and with the horizon of a rollout.

One-step fidelity does not imply stable rollouts. The error against word length is the analogue, for a representation,
of a Chapman-Kolmogorov test: does rho of a composite step agree with the product of the steps it is made of?
"""

from __future__ import annotations

import numpy as np
import torch

from symdiff.diagnostics.evaluation import Curve, Evaluation
from symdiff.diagnostics.intervals import cautions, root, trajectory_bootstrap
from symdiff.diagnostics.prediction import rollouts
from symdiff.errors import RefusedError
from symdiff.result import Estimate
from symdiff.trajectories import Sequences

LONGEST = 64
SEQUENCES = 64
"""Rollouts are judged on this many long sequences: errors at long horizons vary little between trajectories."""

PIXELS = 2**26
"""Numbers the long sequences may hold in all: fewer sequences where images are large."""


def long_sequences(evaluation: Evaluation) -> Sequences | None:
    """Held-out sequences as long as the recording allows, their length a power of two up to 64; ``None`` if below 2."""
    steps = evaluation.trajectories.steps
    pixels = evaluation.sequences.observations[0, 0].numel()
    like = evaluation.sequences.observations
    length = 2 ** int(np.log2(min(LONGEST, steps))) if steps >= 2 else 0
    while length >= 2:
        n = max(min(SEQUENCES, PIXELS // (pixels * (length + 1))), 8)
        generator = torch.Generator().manual_seed(evaluation.seed)
        try:
            found = evaluation.family.sequences(evaluation.trajectories, length, n, generator)
        except RefusedError:  # steps outside the group shorten what can be cut from a recording
            length //= 2
        else:
            return found.to(like.device, like.dtype)
    return None


def horizon_curves(evaluation: Evaluation, sequences: Sequences) -> dict[str, Curve]:
    """Prediction and reconstruction error at horizons 1, 2, 4, ..., as shares of variance.

    Keys ``horizon``, ``horizon_prediction_error``, ``horizon_reconstruction_error``.
    """
    found = rollouts(evaluation, sequences, evaluation.encode(sequences.observations))
    horizons = _doublings(1, sequences.length)
    prediction = found.prediction.mean(0)[horizons] / found.latent_variance.mean()
    curves = {"horizon": np.array(horizons), "horizon_prediction_error": prediction.cpu().numpy()}
    if found.reconstruction is not None:
        reconstruction = found.reconstruction.mean(0)[horizons] / found.variance.mean()
        curves["horizon_reconstruction_error"] = reconstruction.cpu().numpy()
    return curves


def rollout_stability(curves: dict[str, Curve], sequences: Sequences, moduli: Curve) -> Estimate:
    """Prediction error at the longest horizon; the caution says if it grew faster than errors that merely add up."""
    horizons, errors = curves["horizon"], curves["horizon_prediction_error"]
    last = float(errors[-1])
    units = len(torch.unique(sequences.trajectory))
    if not np.isfinite(last):
        return Estimate(value=None, n=units, caution=f"the rollout overflows within {horizons[-1]} steps")
    growth = f"horizon {horizons[-1]}; largest eigenvalue modulus of rho {moduli.max():.3g}"
    # Errors that add up coherently grow as the horizon, their squares as its square; the floor is rounding.
    unstable = last > max(4 * float(horizons[-1] ** 2 * errors[0]), 1e-12)
    return Estimate(
        value=last,
        n=units,
        caution=cautions(f"unstable: errors outgrow the number of steps ({growth})" if unstable else None),
    )


def word_length_curve(evaluation: Evaluation, sequences: Sequences) -> dict[str, Curve]:
    """Homomorphism error, whitened gauge, of words ``g_w ... g_1`` of consecutive elements, w = 2, 4, 8, ...

    Keys ``word_length``, ``word_length_error``, ``word_length_low``, ``word_length_high`` (95%, over trajectories).
    """
    representation, gauge, family = evaluation.representation, evaluation.gauge, evaluation.family
    word = sequences.actions[:, 0]
    product = representation(word)
    identity = torch.eye(product.shape[-1]).to(product)
    lengths, rows = _doublings(2, sequences.length), []
    for step in range(1, sequences.length):
        word = family.compose(sequences.actions[:, step], word)
        product = representation(sequences.actions[:, step]) @ product
        if step + 1 not in lengths:
            continue
        defect, action = gauge.energy(representation(word) - product), gauge.energy(product - identity)
        error = float(defect.sum() / action.sum()) if float(action.sum()) > 0 else 0.0
        interval = trajectory_bootstrap(
            defect, action, sequences.trajectory, seed=evaluation.seed, replicates=evaluation.bootstrap
        )
        rows.append((error**0.5, *(root(interval) or (float("nan"), float("nan")))))
    table = np.array(rows).reshape(-1, 3)
    names = ("word_length_error", "word_length_low", "word_length_high")
    return {"word_length": np.array(lengths), **{name: table[:, i] for i, name in enumerate(names)}}


def _doublings(first: int, last: int) -> list[int]:
    found = []
    while first <= last:
        found.append(first)
        first *= 2
    return found
