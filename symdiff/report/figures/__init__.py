"""The figures of a report. Each returns ``None`` where the run left no data for it."""

from __future__ import annotations

from symdiff.report.canvas import Plate
from symdiff.report.figures import model, process, training
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
    process.shared_affine_denoised,
    process.shared_affine_step,
)


def figures(run: RunData) -> dict[str, Plate]:
    """All figures the run has data for, by name."""
    return {plate.name: plate for figure in _FIGURES if (plate := figure(run)) is not None}
