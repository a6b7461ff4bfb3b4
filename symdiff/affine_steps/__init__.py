"""Recorded reverse steps as elements of ``R_{>0} x| R^d``: what every family whose actions they are has in common.

A family derives from `AffineSteps` and says how it represents the group; the group itself, the action, the cutting of
sequences and the closed-form linear model it is held against come with it.
"""

from symdiff.affine_steps.closed_form import components, exact_model, finish, start, sufficient_basis
from symdiff.affine_steps.exact import ExactRepresentation
from symdiff.affine_steps.family import AffineSteps, StepOptions

__all__ = [
    "AffineSteps",
    "ExactRepresentation",
    "StepOptions",
    "components",
    "exact_model",
    "finish",
    "start",
    "sufficient_basis",
]
