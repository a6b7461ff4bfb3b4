"""What a representation of a known group has to satisfy, and reading its irreps off by characters.

Every function takes an `Evaluation` and returns ``None`` where the family is another one.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff import Estimate
from symdiff_escnn.elements import PlaneGroup
from symdiff_escnn.family import EscnnFamily
from symdiff_escnn.irreps import Irrep, characters
from symdiff_escnn.representations import IrrepRepresentation

STATES = 64
"""Held-out states every element is tried on."""

ELEMENTS = 32
"""Elements tried; more are thinned evenly."""

PARTS = 12
"""Rotations by this part of a turn stand for the generator of SO(2) and O(2)."""


@torch.no_grad()
def relator_error(evaluation: Any) -> Estimate | None:
    """Root mean square of ``r^N = 1`` and, with reflections, ``s^2 = 1`` and ``(r s)^2 = 1`` on rho.

    In the whitened gauge, each as ``|... - 1|_F / sqrt(dim V0)``. These relators define D_N (C_N with the first alone).
    Of SO(2) and O(2), r is a twelfth of a turn: a necessary condition.
    """
    family = evaluation.family
    if not isinstance(family, EscnnFamily):
        return None
    n = family.group.order or PARTS
    r, *s = _generators(family.group, n).to(evaluation.elements)
    R = evaluation.representation(r)
    words = [torch.linalg.matrix_power(R, n)]
    for element in s:
        S = evaluation.representation(element)
        words += [S @ S, R @ S @ R @ S]
    defects = torch.stack(words) - torch.eye(R.shape[-1]).to(R)
    value = float((evaluation.gauge.energy(defects).mean() / evaluation.gauge.dimension).sqrt())
    caution = None if family.group.finite else f"one rotation, by 1/{PARTS} of a turn: a necessary condition"
    return Estimate(value=value, n=len(words), caution=caution)


@torch.no_grad()
def encoder_equivariance_error(evaluation: Any) -> Estimate | None:
    """``E|h(g x) - rho(g) h(x)|^2 / E|h - mean h|^2`` over the group and held-out states: 0 by construction, or not."""
    family = evaluation.family
    if not isinstance(family, EscnnFamily):
        return None
    x, g = _states(evaluation), _elements(evaluation)
    moved = evaluation.encode(family.act(g[:, None], x))
    expected = evaluation.encode(x) @ evaluation.representation(g).mT
    return _share(moved - expected, moved, len(x))


@torch.no_grad()
def decoder_equivariance_error(evaluation: Any) -> Estimate | None:
    """``E|d(rho(g) z) - g d(z)|^2 / E|d - mean d|^2`` over the group and held-out latents."""
    family = evaluation.family
    if not isinstance(family, EscnnFamily):
        return None
    z, g = evaluation.encode(_states(evaluation)), _elements(evaluation)
    turned = z @ evaluation.representation(g).mT
    decoded = evaluation.decode(turned.flatten(0, 1)).unflatten(0, turned.shape[:2])
    expected = family.act(g[:, None], evaluation.decode(z))
    return _share((decoded - expected).flatten(2), decoded.flatten(2), len(z))


@torch.no_grad()
def character_error(evaluation: Any) -> Estimate | None:
    """How far the multiplicities of irreps read off rho are from those it was built with, or from whole numbers.

    ``<chi_rho, chi_psi> / <chi_psi, chi_psi>``, averaged over the group, for every irrep psi; the largest distance.
    """
    family = evaluation.family
    if not isinstance(family, EscnnFamily):
        return None
    rho = evaluation.representation
    traces = _traces(evaluation)
    if not bool(traces.isfinite().all()):
        return Estimate(value=None, n=len(traces), caution="rho is not finite on the whole group")
    found = multiplicities(family, traces)
    exact = rho.fields if isinstance(rho, IrrepRepresentation) else None
    distances = [
        abs(value - (exact.count(irrep) if exact is not None else round(value))) for irrep, value in found.items()
    ]
    named = ", ".join(f"{irrep.name} {value:.3g}" for irrep, value in found.items() if abs(value) > 5e-4)
    return Estimate(value=max(distances), n=len(found), caution=f"multiplicities read off: {named or 'none'}")


@torch.no_grad()
def character_norm(evaluation: Any) -> Estimate | None:
    """``<chi_rho, chi_rho>``: the dimension of the commutant of rho, to be compared with that of the decomposition."""
    if not isinstance(evaluation.family, EscnnFamily):
        return None
    traces = _traces(evaluation)
    caution = None if isinstance(evaluation.representation, IrrepRepresentation) else "exact for an exact homomorphism"
    return Estimate(value=float(traces.square().mean()), n=len(traces), caution=caution)


@torch.no_grad()
def invariant_dimension(evaluation: Any) -> Estimate | None:
    """``<chi_rho, 1>``: the dimension of the latents that no element moves."""
    if not isinstance(evaluation.family, EscnnFamily):
        return None
    traces = _traces(evaluation)
    return Estimate(value=float(traces.mean()), n=len(traces), better="higher")


def multiplicities(family: EscnnFamily, traces: Float[Tensor, " n"]) -> dict[Irrep, float]:
    """Multiplicity of each irrep in a representation given by its character on `EscnnFamily.haar_elements`."""
    elements = family.averaged.to(traces)
    found = {}
    for irrep in family.known:
        character = characters(family.group, irrep, elements)
        found[irrep] = float((traces * character).mean()) / irrep.commutant
    return found


def _traces(evaluation: Any) -> Float[Tensor, " n"]:
    elements = evaluation.family.averaged.to(evaluation.elements)
    traces: Tensor = evaluation.representation(elements).diagonal(dim1=-2, dim2=-1).sum(-1)
    return traces


def _generators(group: PlaneGroup, n: int) -> Float[Tensor, "k 2 2"]:
    """The rotation by ``2 pi/n`` and, if there is one, the mirror."""
    elements = PlaneGroup("D" if group.reflects else "C", n).elements
    return elements[[1 % n, n]] if group.reflects else elements[[1 % n]]


def _states(evaluation: Any) -> Float[Tensor, "n c h w"]:
    states: Tensor = evaluation.sequences.observations[:, 0]
    return states[:: max(1, len(states) // STATES)][:STATES]


def _elements(evaluation: Any) -> Float[Tensor, "n 2 2"]:
    elements: Tensor = evaluation.family.averaged.to(evaluation.elements)
    return elements[:: -(-len(elements) // ELEMENTS)]


def _share(error: Float[Tensor, "g x n"], values: Float[Tensor, "g x n"], units: int) -> Estimate:
    variance = float((values - values.mean((0, 1))).square().sum(-1).mean())
    if not variance > 0:
        return Estimate(value=None, n=units, caution="no variance to be a share of")
    return Estimate(value=float(error.square().sum(-1).mean()) / variance, n=units)
