"""The figures of a report. Each returns ``None`` where the run left no data for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symdiff.report.canvas import Plate
from symdiff.report.figures import bound, equivariance, isotypic, linear_part, manifold, maps, model, process, training
from symdiff.report.rundata import RunData

_FIGURES = (
    training.training_loss,
    training.training_terms,
    model.horizon,
    model.word_length,
    model.eigenvalue_moduli,
    model.latent_spectrum,
    model.block_structure,
    process.gauges,
    process.translation_norm,
    manifold.plane_of_steps,
    manifold.plane_of_products,
    manifold.ball,
)

_OF_PROCESS: tuple[Callable[[Mapping[str, Any]], Plate | None], ...] = (
    maps.shared_affine_step,
    maps.composed,
    bound.bound_terms,
    linear_part.jacobian_spectrum,
    linear_part.effective_rank,
    linear_part.symmetry_defect,
    linear_part.commutators,
    process.gauges_of,
    equivariance.equivariance_error,
    isotypic.isotypic_spectrum,
    equivariance.lie_derivative,
)


def figures(run: RunData) -> dict[str, Plate]:
    """All figures the run has data for, by name."""
    of_run = [plate for figure in _FIGURES if (plate := figure(run)) is not None]
    # What a run recorded in arrays of its own comes last, and so is what is shown.
    return process_figures(run.result.process, run.result.verdict.thresholds) | {plate.name: plate for plate in of_run}


def process_figures(described: Mapping[str, Any], thresholds: Mapping[str, float] | None = None) -> dict[str, Plate]:
    """All figures the description of a process has data for, by name."""
    judged = (maps.shared_affine_denoised, equivariance.equivariance_skill)
    found = [
        *(figure(described, thresholds) for figure in judged),
        *(figure(described) for figure in _OF_PROCESS),
    ]
    return {plate.name: plate for plate in found if plate is not None}
