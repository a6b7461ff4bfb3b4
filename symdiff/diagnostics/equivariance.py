"""Is the encoder equivariant under rho: ``h(g x)`` against ``rho(g) h(x)`` on held-out observations and elements.

Two tables of (x, g) are looked at. Along the held-out sequences every element meets the observation it was recorded
with; the rows are trajectories and the columns times, or actions where these were observed. In the crossed table every
element meets every observation, which for elements that are themselves steps of a trajectory leaves the support the
encoder was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import spread
from symdiff.diagnostics.intervals import cautions, complement, few_units, two_way_bootstrap
from symdiff.result import Estimate

OBSERVED = 512
"""Columns that distinct observed actions are spread over at most."""

CROSSED_ELEMENTS = 32
CROSSED_ENTRIES = 2**24
"""Pixels encoded for the crossed table in all: fewer observations where images are large."""

RESTING = 1e-9
"""Movement below this share of all movement is rest."""

STILL = "h(g x) = h(x) throughout: there is nothing to be equivariant about"
OFF_SUPPORT = "elements applied to observations they were not recorded with"


@dataclass(frozen=True)
class StepTable:
    """Squared distances summed over the cells of a table, rows x and columns g.

    Attributes
    ----------
    residual
        ``|h(g x) - rho(g) h(x)|^2``.
    movement
        ``|h(g x) - h(x)|^2``.
    variance
        ``|h(x) - mean h|^2``, the mean being over all held-out latents.
    """

    residual: Float[Tensor, "x g"]
    movement: Float[Tensor, "x g"]
    variance: Float[Tensor, "x g"]


def along_sequences(evaluation: Evaluation) -> tuple[StepTable, StepTable]:
    """The table of the recorded steps, in the network's basis and whitened: rows are trajectories, columns times."""
    latents, sequences = evaluation.latents, evaluation.sequences
    before, after = latents[:, :-1].flatten(0, 1), latents[:, 1:].flatten(0, 1)
    predicted = evaluation.step(sequences.actions.flatten(0, 1), before)
    centre = latents.mean((0, 1))
    missed = torch.stack([after - predicted, after - before, before - centre])
    terms = torch.cat([part.square().sum(-1) for part in (missed, missed @ evaluation.gauge.whiten.T)])
    _, row = torch.unique(sequences.trajectory, return_inverse=True)
    _, column = torch.unique(_elements(evaluation), return_inverse=True)
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    cell = (row[:, None] * columns + column).flatten()
    table = terms.new_zeros(6, rows * columns).index_add_(1, cell, terms).reshape(6, rows, columns)
    return StepTable(*table[:3]), StepTable(*table[3:])


def _elements(evaluation: Evaluation) -> Int[Tensor, "n act"]:
    """What stands for the element of each step: its time in a recording, the action itself where it was observed."""
    sequences = evaluation.sequences
    if not evaluation.family.actions_are_observed:
        return sequences.times[:, :-1]
    _, which = torch.unique(sequences.actions.flatten(0, 1).flatten(1), dim=0, return_inverse=True)
    columns: Tensor = which.reshape(sequences.times[:, :-1].shape) % OBSERVED
    return columns


def followed_dimension(evaluation: Evaluation) -> Estimate:
    """Number of directions of the latents in which rho explains more than half of the movement ``h(g x) - h(x)``.

    The unexplained shares are the generalised eigenvalues of ``E[r r^T]`` against ``E[u u^T]``, r being the residual
    and u the movement: they do not depend on a basis of the latents. A direction that does not move counts as followed
    if its residual vanishes too.
    """
    latents, sequences = evaluation.latents, evaluation.sequences
    before, after = latents[:, :-1].flatten(0, 1), latents[:, 1:].flatten(0, 1)
    whiten = evaluation.gauge.whiten.T
    missed = (after - evaluation.step(sequences.actions.flatten(0, 1), before)) @ whiten
    moved = (after - before) @ whiten
    scale = float(moved.square().sum())
    floor = RESTING * scale / max(len(moved), 1) * torch.eye(moved.shape[1], dtype=moved.dtype, device=moved.device)
    half = torch.linalg.cholesky(moved.T @ moved / len(moved) + floor)
    residual = torch.linalg.solve_triangular(half, missed.T, upper=False)
    shares = torch.linalg.eigvalsh(residual @ residual.T / len(missed))
    units = len(torch.unique(sequences.trajectory))
    return Estimate(value=float((shares < 0.5).sum()), n=units, better="higher")


def crossed(evaluation: Evaluation) -> tuple[StepTable, Float[Tensor, "x g m"]]:
    """The table of every chosen element on every chosen observation, and the latents ``h(g x)`` it rests on."""
    elements = spread(evaluation.elements, CROSSED_ELEMENTS)
    observations, latents = evaluation.sequences.observations, evaluation.latents
    pixels, m = observations[0, 0].numel(), latents.shape[-1]
    most = min(max(CROSSED_ENTRIES // (pixels * len(elements)), 16), 4 * m, len(observations))
    # A different time from every sequence, so that the table is about all noise levels.
    rows = torch.linspace(0, len(observations) - 1, most, device=latents.device).round().long()
    times = torch.arange(most, device=latents.device) % observations.shape[1]
    x, before = observations[rows, times], latents[rows, times]
    after = torch.stack([evaluation.encode(evaluation.family.act(g[None], x)) for g in elements], dim=1)
    predicted = torch.einsum("gij,xj->xgi", evaluation.representation(elements), before)
    centred = (before - latents.mean((0, 1))).square().sum(-1)
    table = StepTable(
        residual=(after - predicted).square().sum(-1),
        movement=(after - before[:, None]).square().sum(-1),
        variance=centred[:, None].expand(-1, len(elements)).contiguous(),
    )
    return table, torch.cat([before[:, None], after], dim=1)


def error_estimate(table: StepTable, evaluation: Evaluation, caution: str | None = None) -> Estimate:
    """``equivariance_error``: the residual as a share of the variance of the latents."""
    value, interval = _ratio(table.residual, table.variance, evaluation)
    units = min(table.residual.shape)
    return Estimate(value=value, interval=interval, n=units, caution=cautions(caution, _few(table)))


def skill_estimate(table: StepTable, evaluation: Evaluation) -> Estimate:
    """``equivariance_skill``: one minus the residual as a share of the movement; 0 is no better than standing still."""
    value, interval = _ratio(table.residual, table.movement, evaluation)
    units = min(table.residual.shape)
    return Estimate(
        value=None if value is None else 1 - value,
        interval=complement(interval),
        n=units,
        better="higher",
        caution=cautions(STILL if value is None else None, _few(table)),
    )


def equivariance_figures(evaluation: Evaluation) -> dict[str, float | None]:
    """The three figures along the sequences, without intervals: what nulls are judged by."""
    own, whitened = along_sequences(evaluation)
    skills = {"equivariance_skill": own, "equivariance_skill_whitened": whitened}
    shares = {name: _share(table.residual, table.movement) for name, table in skills.items()}
    return {
        "equivariance_error": _share(own.residual, own.variance),
        **{name: None if share is None else 1 - share for name, share in shares.items()},
    }


def _ratio(
    numerator: Tensor, denominator: Tensor, evaluation: Evaluation
) -> tuple[float | None, tuple[float, float] | None]:
    value = _share(numerator, denominator)
    if value is None:
        return None, None
    interval = two_way_bootstrap(numerator, denominator, seed=evaluation.seed, replicates=evaluation.bootstrap)
    return value, interval


def _share(numerator: Tensor, denominator: Tensor) -> float | None:
    total = float(denominator.sum())
    return float(numerator.sum()) / total if total > 0 else None


def _few(table: StepTable) -> str | None:
    rows, columns = table.residual.shape
    return cautions(few_units(rows, "observations or trajectories"), few_units(columns, "elements or times"))
