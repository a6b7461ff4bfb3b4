"""`decompose`: K matrices in, how the space decomposes under them out, with the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from symdiff.decomposition import general, unitary
from symdiff.decomposition.answer import written
from symdiff.decomposition.classes import classes, modules
from symdiff.decomposition.commutant import Noise, child
from symdiff.decomposition.complements import straightened
from symdiff.decomposition.cuts import Layout, assembled, polished
from symdiff.decomposition.doubts import DEFECT, GAP, GIVEN, ROUNDING, UNKNOWN, Found
from symdiff.decomposition.extension import Extension, extension
from symdiff.decomposition.form import CONSISTENT, Unitarised, asymmetry_noise, unitarise
from symdiff.decomposition.gauge import in_gauge
from symdiff.decomposition.level import commutator_gap, exact_structure
from symdiff.decomposition.matrices import FLOOR, Given, check
from symdiff.decomposition.stability import stability
from symdiff.decomposition.structure import Decomposition
from symdiff.decomposition.sylvester import Part
from symdiff.decomposition.unitary import Piece
from symdiff.errors import MatricesError

# Residuals below this share of the mean one are not taken for structure where the noise was estimated.
_GUARD = 2e-3
# Larger matrices are not searched for an invariant subspace that is exact to rounding.
_EXACT = 72


def decompose(
    matrices: Tensor | Any, noise: float | None = None, *, seed: int = 0, resamples: int = 20
) -> Decomposition:
    """Decompose the space on which K noisy matrices act, and say how sure that is.

    The matrices are taken as ``A_k + noise * N(0, 1) / sqrt(m)`` with A_k in the image of a representation. If a basis
    makes them orthogonal, or if they are symmetric, symmetric elements of the commutant cut the space into irreducible
    parts; otherwise
    idempotents of the commutant cut it into indecomposable ones, whose invariant subspaces the radical of the
    enveloping algebra shows. A cut is accepted if what it leaves outside the blocks is noise, a part counts as
    uncut if everything that might commute with it is clearly more than noise, and anything in between is
    ``unresolved``.

    Parameters
    ----------
    matrices
        ``[K, m, m]``, real and invertible: a torch tensor on any device (the work is done there) or a numpy array.
    noise
        The noise level; estimated if not given, from the orthogonality defect or from a gap between residuals.
    seed
        Of the random elements drawn; the same seed gives the same answer.
    resamples
        Bootstrap resamples of the matrices behind `stability`; 0 leaves it out.

    Raises
    ------
    MatricesError
        The matrices are not K invertible real matrices of one size, or `noise` is negative or not finite.

    References
    ----------
    Murota, Kanno, Kojima, Kojima (2010), A numerical algorithm for block-diagonal decomposition of matrix
    ``*``-algebras; Maehara, Murota (2011), Algorithm for error-controlled simultaneous block-diagonalization of
    matrices; Eberly, Giesbrecht (2004), Efficient decomposition of separable algebras.

    Examples
    --------
    >>> import numpy as np
    >>> cycle = np.roll(np.eye(3), 1, axis=0)
    >>> decompose(np.stack([np.eye(3), cycle, cycle @ cycle])).structure
    ((1, 1, 'R'), (2, 1, 'C'))
    """
    if noise is not None and not 0 <= noise <= 1e100:
        raise MatricesError(f"noise is {noise}", "the noise level is a finite number, at least 0")
    if resamples < 0:
        raise MatricesError(f"resamples is {resamples}", "0 leaves the stability out")
    given = check(matrices)
    generator = torch.Generator().manual_seed(seed)
    found = _find(given, None if noise is None else noise / given.scale, child(generator))
    layout = assembled(given.matrices, [piece.part for group in found.classes for piece in group.pieces])
    extensions = _extensions(found, layout, child(generator))
    stable = None
    if resamples > 0 and len(given.matrices) > 1:
        firsts = [copies[0] for copies in _copies(found, layout)]
        stable = stability(layout, firsts, found.noise, resamples, generator)
    return written(given, found, layout, extensions, stable)


def _find(given: Given, noise: float | None, generator: torch.Generator) -> Found:
    a, m = given.matrices, given.matrices.shape[-1]
    eye = torch.eye(m).to(a)
    whole = Part(eye, eye, a)
    unit = unitarise(a, noise, given.floor, generator)
    if noise is not None:
        known = Noise(max(given.floor, noise))
        if unit is not None:
            return _unitary(a, unit, known, GIVEN, generator)
        if asymmetry_noise(a) <= CONSISTENT**0.5 * known.level:
            return _self_adjoint(a, known, GIVEN, generator)
        alone = unitarise(a, None, given.floor, generator)
        return _general(whole, known, GIVEN, generator, None if alone is None else alone.noise)
    if unit is not None and unit.noise <= given.floor:
        return _unitary(a, unit, Noise(given.floor, _GUARD), ROUNDING, generator)
    if unit is None and asymmetry_noise(a) <= given.floor:
        return _self_adjoint(a, Noise(given.floor, _GUARD), ROUNDING, generator)
    # A commuting matrix or an invariant subspace that is exact to rounding says that there is no noise.
    gap = commutator_gap(whole, given.floor, generator)
    if gap == given.floor or (m <= _EXACT and exact_structure(whole, given.floor, generator)):
        return _general(whole, Noise(given.floor), ROUNDING, generator)
    if unit is not None:
        return _unitary(a, unit, Noise(unit.noise, _GUARD), DEFECT, generator)
    if gap is not None:
        return _general(whole, Noise(gap), GAP, generator)
    found = _general(whole, Noise(given.floor), UNKNOWN, generator)
    reason = "the matrices are not orthogonal in any basis and no gap shows their noise; give the noise level"
    return replace(found, reasons=(reason,))


def _unitary(matrices: Tensor, unit: Unitarised, noise: Noise, source: str, generator: torch.Generator) -> Found:
    parts = unitary.pieces(Part.of(matrices, unit.columns, unit.rows), noise, child(generator))
    parts = _refined(matrices, parts, noise, orthogonal=not unit.fitted)
    groups, commutant = classes(parts, noise, generator)
    return Found(groups, commutant, "unitarised" if unit.fitted else "orthogonal", noise, source)


def _self_adjoint(matrices: Tensor, noise: Noise, source: str, generator: torch.Generator) -> Found:
    eye = torch.eye(matrices.shape[-1]).to(matrices)
    parts = unitary.pieces(Part(eye, eye, matrices, self_adjoint=True), noise, child(generator))
    parts = _refined(matrices, parts, noise, orthogonal=True)
    groups, commutant = classes(parts, noise, generator)
    return Found(groups, commutant, "self-adjoint", noise, source)


def _general(whole: Part, noise: Noise, source: str, generator: torch.Generator, defect: float | None = None) -> Found:
    found = general.pieces(whole, noise, child(generator))
    straight = straightened(whole.matrices, [piece.part for piece, _ in found], noise)
    pieces = [replace(piece, part=part) for (piece, _), part in zip(found, straight, strict=True)]
    parts = _refined(whole.matrices, pieces, noise, orthogonal=False)
    parts = [replace(piece, part=in_gauge(piece.part)) for piece in parts]  # in it invariant subspaces are searched for
    groups, commutant = modules(list(zip(parts, [kind for _, kind in found], strict=True)), noise, generator)
    return Found(groups, commutant, "general", noise, source, defect=defect)


def _refined(matrices: Tensor, pieces: list[Piece], noise: Noise, *, orthogonal: bool) -> list[Piece]:
    """The pieces after all the cuts between them have been refined together.

    To rounding, where the matrices are exact but the noise given is more than that: a search that ends at noise ends
    anywhere below it, and what it left would otherwise be told as the residual of the cuts.
    """
    layout = assembled(matrices, [p.part for p in pieces])
    layout = polished(layout, noise.level, orthogonal=orthogonal, enough=min(noise.level, FLOOR))
    return [replace(piece, part=part) for piece, part in zip(pieces, layout.parts(), strict=True)]


def _copies(found: Found, layout: Layout) -> list[list[Part]]:
    """The copies of each class as they are in the layout."""
    parts = iter(layout.parts())
    return [[next(parts) for _ in group.pieces] for group in found.classes]


def _extensions(found: Found, layout: Layout, generator: torch.Generator) -> list[list[Extension]]:
    """For each class off the orthogonal paths: is a copy irreducible, and if not, the flag of every copy."""
    if found.path != "general" or found.reasons:
        return [[] for _ in found.classes]
    m, extensions = layout.part.columns.shape[0], []
    for copies in _copies(found, layout):
        judged: list[Extension] = []
        for p in copies if copies[0].dim > 1 else []:
            judged.append(extension(p.matrices, p.row_energy, p.column_energy / m, found.noise.level, child(generator)))
            if judged[-1].flag is None:
                break
        extensions.append(judged)
    return extensions
