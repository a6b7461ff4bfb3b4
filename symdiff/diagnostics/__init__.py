"""Diagnostics: one file a figure, each an `Estimate` with its interval, its nulls and its caution."""

from symdiff.diagnostics.diagnose import diagnose
from symdiff.diagnostics.evaluation import Diagnosis, Evaluation
from symdiff.diagnostics.guarantees import guarantees
from symdiff.diagnostics.process import shared_affine_r2
from symdiff.diagnostics.verdict import Thresholds, verdict

__all__ = ["Diagnosis", "Evaluation", "Thresholds", "diagnose", "guarantees", "shared_affine_r2", "verdict"]
