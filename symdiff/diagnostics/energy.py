"""How much rho does, and whether it tells elements apart: the figures a trivial rho cannot fake.

``rho = I`` has no homomorphism error at all, and every rho that sees only the scale of an affine element has none
either; neither figure here is ever to be left out beside a homomorphism error.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation, pieces
from symdiff.diagnostics.intervals import cautions, element_jackknife, few_units
from symdiff.errors import RefusedError
from symdiff.result import Estimate

INDISTINCT = 1e-6
"""Pairs nearer than this share of the median distance are the same element up to rounding and are left out."""

WEAK = 0.25
"""Below this share of the exact form's action energy a small homomorphism error is bought by doing little."""

MINIMUM = "a smallest value over a sample of pairs: the true one can only be smaller"


class Separations(NamedTuple):
    """``|rho(g) - rho(g')|_F / dist(g, g')`` in the whitened gauge."""

    pairs: Float[Tensor, " pairs"]
    commutators: Float[Tensor, " commutators"]
    left_out: int

    @property
    def smallest(self) -> float | None:
        """The faithfulness; ``None`` without a pair of distinct elements."""
        every = torch.cat([self.pairs, self.commutators])
        return float(every.min()) if len(every) else None


def action_energy(evaluation: Evaluation) -> Estimate:
    """``E|rho(g) - I|_F^2 / dim V0`` in the whitened gauge; the ``pca`` null is that of the exact form."""
    energy = _energies(evaluation) / evaluation.gauge.dimension
    value, interval = element_jackknife(energy)
    reference = evaluation.reference_energy
    weak = (
        f"below {WEAK} of the exact form's {reference:.3g}: a small homomorphism error here is bought by doing little"
        if reference is not None and value < WEAK * reference
        else None
    )
    return Estimate(
        value=value,
        interval=interval,
        n=len(energy),
        better="higher",
        null={"identity": 0.0} if reference is None else {"identity": 0.0, "pca": reference},
        caution=cautions("rho is the identity" if value == 0 else None, weak, few_units(len(energy))),
    )


def action_energy_own_basis(evaluation: Evaluation) -> Estimate:
    """``E|rho(g) - I|_F^2 / m`` in the network's own basis."""
    matrices = evaluation.matrices
    energy = (matrices - torch.eye(matrices.shape[-1]).to(matrices)).square().sum((-2, -1)) / matrices.shape[-1]
    value, interval = element_jackknife(energy)
    few = few_units(len(energy))
    return Estimate(value=value, interval=interval, n=len(energy), better="higher", null={"identity": 0.0}, caution=few)


def energy_figure(evaluation: Evaluation) -> float:
    """`action_energy` without its interval."""
    return float(_energies(evaluation).mean()) / evaluation.gauge.dimension


def support_leakage(evaluation: Evaluation) -> Estimate:
    """``(E|(I - P) rho(g) h|^2 / E|rho(g) h|^2)^(1/2)``, P projecting on V0: 0 if rho maps V0 into itself."""
    outside, all_of_it = evaluation.gauge.leakage(evaluation.matrices)
    value, interval = element_jackknife(outside, all_of_it, square_root=True)
    return Estimate(value=value, interval=interval, n=len(outside), caution=few_units(len(outside)))


def separations(evaluation: Evaluation) -> Separations:
    """Separations of all pairs of elements, and of commutators from the identity.

    A commutator ``g2 g1 g2^-1 g1^-1`` of two affine elements is a pure translation: a rho that is blind to translations
    (or to anything else that is lost when the group is made abelian) gives all of them separation 0, even where no two
    held-out elements share their scale.
    """
    matrices = evaluation.gauge.restrict(evaluation.matrices)
    k = len(matrices)
    first, second = torch.triu_indices(k, k, 1, device=matrices.device)
    moved, apart = [], []
    size = pieces(max(evaluation.gauge.dimension**2, evaluation.elements[0].numel()))
    for i, j in zip(torch.split(first, size), torch.split(second, size), strict=True):
        moved.append((matrices[i] - matrices[j]).square().sum((-2, -1)).sqrt())
        apart.append(evaluation.family.distance(evaluation.elements[i], evaluation.elements[j]))
    if not moved:
        return Separations(matrices.new_zeros(0), matrices.new_zeros(0), 0)
    distance, movement = torch.cat(apart), torch.cat(moved)
    distinct = distance > INDISTINCT * distance.median()
    commutators = _commutator_separations(evaluation, float(distance.median()))
    return Separations(movement[distinct] / distance[distinct], commutators, int((~distinct).sum()))


def faithfulness(evaluation: Evaluation, found: Separations) -> Estimate:
    """The smallest separation ``|rho(g) - rho(g')| / dist(g, g')``; the null ``typical`` is the median one."""
    left_out = f"{found.left_out} pairs of nearly identical elements left out" if found.left_out else None
    if found.smallest is None:
        return Estimate(value=None, n=0, better="higher", caution=cautions("no two distinct elements", left_out))
    null: dict[str, float | None] = {"identity": 0.0}
    if len(found.pairs):
        null["typical"] = float(found.pairs.median())
    return Estimate(
        value=found.smallest,
        n=len(evaluation.elements),
        better="higher",
        null=null,
        caution=cautions(MINIMUM, left_out, few_units(len(evaluation.elements))),
    )


def _energies(evaluation: Evaluation) -> Float[Tensor, " k"]:
    matrices = evaluation.matrices
    return evaluation.gauge.energy(matrices - torch.eye(matrices.shape[-1]).to(matrices))


def _commutator_separations(evaluation: Evaluation, scale: float) -> Float[Tensor, " commutators"]:
    family, elements = evaluation.family, evaluation.elements
    g1, g2 = elements[:-1], elements[1:]
    try:
        commutators = family.compose(family.compose(g2, g1), family.compose(family.inverse(g2), family.inverse(g1)))
    except RefusedError:
        return elements.new_zeros(0)  # a singular element has no commutators; the pairs remain
    matrices: Tensor = evaluation.representation(commutators)
    matrices = evaluation.gauge.restrict(matrices - torch.eye(matrices.shape[-1]).to(matrices))
    distance = family.distance(commutators, family.identity().to(elements).expand_as(commutators))
    distinct = distance > INDISTINCT * scale
    return matrices.square().sum((-2, -1)).sqrt()[distinct] / distance[distinct]
