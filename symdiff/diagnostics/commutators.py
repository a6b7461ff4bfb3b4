"""Do the matrices of observed actions commute: known of rho alone, whatever is known of the group."""

from __future__ import annotations

import torch

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import spread
from symdiff.diagnostics.intervals import few_units, pair_jackknife
from symdiff.result import Estimate

PAIRED = 32
"""Actions whose pairs are looked at."""


def matrix_commutator(evaluation: Evaluation) -> Estimate:
    """``(E|XY - YX|^2 / E(|XY|^2 + |YX|^2))^(1/2)`` in the whitened gauge, X = rho(a) - I and Y = rho(b) - I.

    The commutator of X and Y is that of rho(a) and rho(b). 0 where all matrices commute, 1 for unrelated ones.
    """
    matrices = evaluation.gauge.restrict(evaluation.representation(spread(evaluation.elements, PAIRED)))
    moved = matrices - torch.eye(matrices.shape[-1]).to(matrices)
    product = moved[:, None] @ moved[None]
    defect = (product - product.transpose(0, 1)).square().sum((-2, -1))
    size = product.square().sum((-2, -1))
    both = size + size.T
    k = len(moved)
    if k < 2 or float(both.sum()) == 0:
        return Estimate(value=None, n=k, caution="rho does nothing" if k > 1 else "one action has no pairs")
    value, interval = pair_jackknife(defect, both, square_root=True)
    return Estimate(value=value, interval=interval, n=k, caution=few_units(k, "actions"))
