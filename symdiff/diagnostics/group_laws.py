"""The other laws of a homomorphism: the identity, inverses, and the spectrum of the defect of a product."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation
from symdiff.diagnostics.homomorphism import spread
from symdiff.diagnostics.intervals import cautions, element_jackknife, few_units, pair_jackknife
from symdiff.eigenvalues import eigenvalues
from symdiff.errors import RefusedError
from symdiff.result import Estimate

PAIRED = 16
"""Elements whose pairs are looked at by `spectrum_error`: eigenvalues cost far more than norms."""

BLIND = "a necessary check only: blind to unipotent defects, so to every defect of the translations"


def identity_error(evaluation: Evaluation) -> Estimate:
    """``|rho(e) - I|_F / sqrt(dim V0)`` in the whitened gauge: a single number, hence no interval."""
    matrix: Tensor = evaluation.representation(evaluation.family.identity().to(evaluation.elements)[None])
    energy = evaluation.gauge.energy(matrix - _identity(matrix))
    return Estimate(value=float((energy / evaluation.gauge.dimension).sqrt()), n=1)


def inverse_error(evaluation: Evaluation) -> Estimate:
    """``(E|rho(g^-1) rho(g) - I|_F^2 / dim V0)^(1/2)`` in the whitened gauge."""
    try:
        inverses = evaluation.family.inverse(evaluation.elements)
    except RefusedError as error:
        return Estimate(value=None, n=0, caution=f"not every element has an inverse: {error.message}")
    product = evaluation.representation(inverses) @ evaluation.matrices
    energy = evaluation.gauge.energy(product - _identity(product)) / evaluation.gauge.dimension
    value, interval = element_jackknife(energy, square_root=True)
    return Estimate(value=value, interval=interval, n=len(energy), caution=few_units(len(energy)))


def spectrum_error(evaluation: Evaluation) -> Estimate:
    """Root mean square of ``|eigenvalue - 1|`` of ``rho(g2 g1)^-1 rho(g2) rho(g1)`` over pairs of elements.

    Independent of the basis, and only a necessary check: a defect in the translations is unipotent and leaves every
    eigenvalue at 1.
    """
    elements = spread(evaluation.elements, PAIRED)
    matrices = evaluation.representation(elements)
    product = matrices[:, None] @ matrices[None]
    composed = evaluation.family.compose(elements[:, None], elements[None]).flatten(0, 1)
    quotient, singular = torch.linalg.solve_ex(evaluation.representation(composed).reshape(product.shape), product)
    if bool(singular.any()) or not bool(torch.isfinite(quotient).all()):
        return Estimate(value=None, n=len(elements), caution="rho is singular on a product of held-out elements")
    spread_of = (eigenvalues(quotient) - 1).abs().square().mean(-1)
    value, interval = pair_jackknife(spread_of, torch.ones_like(spread_of), square_root=True)
    caution = cautions(BLIND, few_units(len(elements)))
    return Estimate(value=value, interval=interval, n=len(elements), caution=caution)


def bracket_error(evaluation: Evaluation) -> Estimate | None:
    """How far a linear ``d rho`` is from a homomorphism of Lie algebras, if the representation says so itself."""
    if not evaluation.family.law_known:
        return None
    measure = getattr(evaluation.representation, "bracket_error", None)
    return None if measure is None else Estimate(value=float(measure()), n=1)


def eigenvalue_moduli(matrices: Float[Tensor, "k m m"]) -> Float[Tensor, " all"]:
    """Moduli of all eigenvalues of all matrices: a modulus above 1 makes long rollouts grow."""
    return eigenvalues(matrices).abs().flatten()


def _identity(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
