"""Representations rho: G -> GL(Z), block-diagonal with given block sizes.

Three forms are generic: `MLPRepresentation` (rho = exp of a network, the published form), `LieRepresentation`
(rho = exp . d rho . log with d rho linear; skew in `SkewLieRepresentation`) and its projection onto the Lie-algebra
homomorphisms. The fourth, ``exact``, is a formula of the group and comes with the family.
"""

from symdiff.representations.base import Representation
from symdiff.representations.exponential import matrix_exponential
from symdiff.representations.lie import LieRepresentation
from symdiff.representations.mlp import MLPRepresentation
from symdiff.representations.skew import SkewLieRepresentation

__all__ = [
    "LieRepresentation",
    "MLPRepresentation",
    "Representation",
    "SkewLieRepresentation",
    "matrix_exponential",
]
