"""The laws of a homomorphism in geodesic distances, which do not depend on a choice of norm for matrices.

``d(A, B)`` is the left-invariant distance of the manifold, that of k blocks the root of the sum of squares. Every
function takes an `Evaluation` and returns ``None`` where the family is another one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from symdiff import Estimate
from symdiff.diagnostics.intervals import cautions, element_jackknife, few_units, pair_jackknife
from symdiff_geomstats.curve import products
from symdiff_geomstats.manifolds import Manifold
from symdiff_geomstats.values import UNDEFINED, manifold_of, squared_length, values

BLIND = 0.01
"""Share of what rho does that depends on the translations, below which it counts as blind to them."""

BLIND_CAUTION = (
    "rho is blind to translations, which costs no error here: see geodesic_translation_share and faithfulness"
)

COMPARED = 64
"""Pairs whose distance is also asked of geomstats."""


def _of_manifold(figure: Callable[[Any, Manifold], Estimate | None]) -> Callable[[Any], Estimate | None]:
    """Ask `figure` of this family alone; a value at the cut locus costs the figure and says so."""

    @wraps(figure)
    @torch.no_grad()
    def asked(evaluation: Any) -> Estimate | None:
        manifold = manifold_of(evaluation)
        if manifold is None:
            return None
        try:
            return figure(evaluation, manifold)
        except UNDEFINED as error:
            return Estimate(value=None, n=len(evaluation.elements), caution=error.message)

    del asked.__wrapped__  # its signature is not that of `figure`
    return asked


@_of_manifold
def geodesic_homomorphism_error(evaluation: Any, manifold: Manifold) -> Estimate:
    """``(E d(rho(g2 g1), rho(g2) rho(g1))^2 / E d(rho(g2) rho(g1), 1)^2)^(1/2)`` over pairs of held-out elements."""
    family, rho, elements = evaluation.family, evaluation.representation, evaluation.elements
    found, k = values(rho, elements), len(elements)
    defect, action = elements.new_zeros(k, k), elements.new_zeros(k, k)
    for i in range(k):  # one row of pairs at a time: elements may be long
        product = found[i] @ found
        composed = values(rho, family.compose(elements[i], elements))
        defect[i] = squared_length(manifold, manifold.inverse(composed) @ product)
        action[i] = squared_length(manifold, product)
    off = ~torch.eye(k, dtype=torch.bool, device=elements.device)
    null: dict[str, float | None] = {"identity": 0.0, "blind": 0.0}
    share = _translation_share(evaluation, manifold)[0]
    obstruction = family.obstruction(elements)
    blind = BLIND_CAUTION if share is None or share < BLIND else obstruction and f"{obstruction}; this rho is none"
    if not float(action[off].sum()) > 0:
        return Estimate(value=0.0, n=k, null=null, caution=cautions("rho is the identity: 0/0", BLIND_CAUTION))
    value, interval = pair_jackknife(defect, action, square_root=True)
    return Estimate(value=value, interval=interval, n=k, null=null, caution=cautions(blind, few_units(k)))


@_of_manifold
def geodesic_identity_error(evaluation: Any, manifold: Manifold) -> Estimate:
    """``d(rho(e), 1)`` a block."""
    unit = evaluation.family.identity().to(evaluation.elements)[None]
    squared = squared_length(manifold, values(evaluation.representation, unit))
    return Estimate(value=float((squared / len(evaluation.representation.block_sizes)).sqrt()), n=1)


@_of_manifold
def geodesic_inverse_error(evaluation: Any, manifold: Manifold) -> Estimate:
    """``(E d(rho(g^-1) rho(g), 1)^2)^(1/2)`` a block."""
    rho, elements = evaluation.representation, evaluation.elements
    back = values(rho, evaluation.family.inverse(elements)) @ values(rho, elements)
    squared = squared_length(manifold, back) / len(rho.block_sizes)
    value, interval = element_jackknife(squared, square_root=True)
    return Estimate(value=value, interval=interval, n=len(elements), caution=few_units(len(elements)))


@_of_manifold
def geodesic_translation_share(evaluation: Any, manifold: Manifold) -> Estimate:
    """``(E d(rho(a, v), rho(a, 0))^2 / E d(rho(a, v), 1)^2)^(1/2)``: how much of what rho does depends on v at all."""
    value, interval = _translation_share(evaluation, manifold)
    n = len(evaluation.elements)
    blind = f"rho is blind to translations; {manifold.sees}" if value is None or value < BLIND else None
    return Estimate(
        value=value,
        interval=interval,
        n=n,
        better="higher",
        null={"identity": 0.0, "blind": 0.0},
        caution=cautions(blind, few_units(n)),
    )


@_of_manifold
def geodesic_agreement(evaluation: Any, manifold: Manifold) -> Estimate | None:
    """Largest difference between our distance and that of geomstats on values of rho, relative to the largest one."""
    found = values(evaluation.representation, evaluation.elements).flatten(0, 1).cpu()[:COMPARED]
    theirs = manifold.reference_distance(found, found.roll(1, 0))
    if theirs is None:
        return None
    ours, largest = manifold.distance(found, found.roll(1, 0)), float(theirs.max())
    value = float((ours - theirs.to(ours)).abs().max()) / largest if largest > 0 else 0.0
    return Estimate(value=value, n=len(found))


@_of_manifold
def manifold_distance(evaluation: Any, manifold: Manifold) -> Estimate:
    """Largest violation of an equation of the manifold, in float32 as in training, products of steps included."""
    rho = copy.deepcopy(evaluation.representation).float()
    single = values(rho, evaluation.elements.float())
    words = products(values(rho, evaluation.sequences.actions.float()))
    value = max(float(manifold.defect(A).max()) for A in (single, words))
    return Estimate(value=value, n=len(single) + len(words))


def _translation_share(evaluation: Any, manifold: Manifold) -> tuple[float | None, tuple[float, float] | None]:
    rho, elements = evaluation.representation, evaluation.elements
    scales: Tensor = elements.clone()
    scales[:, 1:] = 0
    found = values(rho, elements)
    moved = squared_length(manifold, manifold.inverse(values(rho, scales)) @ found)
    action = squared_length(manifold, found)
    if not float(action.sum()) > 0:
        return None, None
    return element_jackknife(moved, action, square_root=True)
