"""Diagnostics: one file a figure, each an `Estimate` with its interval, its nulls and its caution."""

from symdiff.diagnostics.diagnose import diagnose
from symdiff.diagnostics.energy import action_energy
from symdiff.diagnostics.evaluation import Diagnosis, Evaluation
from symdiff.diagnostics.guarantees import guarantees
from symdiff.diagnostics.headline import HEADLINE, headline, pca_row
from symdiff.diagnostics.thresholds import Thresholds
from symdiff.diagnostics.verdict import verdict

__all__ = [
    "HEADLINE",
    "Diagnosis",
    "Evaluation",
    "Thresholds",
    "action_energy",
    "diagnose",
    "guarantees",
    "headline",
    "pca_row",
    "verdict",
]
