"""`decompose`: K matrices in, how the space decomposes under them out, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symdiff.decomposition import general, unitary
from symdiff.decomposition.classes import Class, classes, modules
from symdiff.decomposition.commutant import Noise
from symdiff.decomposition.cuts import Layout, accepted, assembled, polished, too_oblique
from symdiff.decomposition.extension import Extension, extension
from symdiff.decomposition.form import unitarise
from symdiff.decomposition.level import commutator_gap, exact_structure
from symdiff.decomposition.matrices import Given, check
from symdiff.decomposition.stability import Stability, stability
from symdiff.decomposition.structure import Block, Decomposition, SetVerdict
from symdiff.decomposition.sylvester import Part
from symdiff.decomposition.unitary import Piece
from symdiff.errors import MatricesError

# Residuals below this share of the mean one are not taken for structure where the noise was estimated.
_GUARD = 2e-3
# Where noise makes up more than this share of a block's squares, a residual at noise is no evidence of a cut.
_POWER = 0.01
# A finer structure on more than this share of the resamples: the matrices do not pin the group down.
_FINER = 0.05


@dataclass(frozen=True)
class _Found:
    """Classes of pieces on one path, before they are written down."""

    classes: list[Class]
    commutant_dim: int | None
    path: str
    noise: Noise
    source: str
    reasons: list[str]


def decompose(
    matrices: Tensor | Any, noise: float | None = None, *, seed: int = 0, resamples: int = 20
) -> Decomposition:
    """Decompose the space on which K noisy matrices act, and say how sure that is.

    The matrices are taken as ``A_k + noise * N(0, 1) / sqrt(m)`` with A_k in the image of a representation. If a basis
    makes them orthogonal, symmetric elements of the commutant cut the space into irreducible parts; otherwise
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
    *-algebras; Maehara, Murota (2011), Algorithm for error-controlled simultaneous block-diagonalization of matrices;
    Eberly, Giesbrecht (2004), Efficient decomposition of separable algebras.

    Examples
    --------
    >>> import numpy as np
    >>> cycle = np.roll(np.eye(3), 1, axis=0)
    >>> decompose(np.stack([np.eye(3), cycle, cycle @ cycle])).structure
    ((1, 1, 'R'), (2, 1, 'C'))
    """
    if noise is not None and not 0 <= noise < float("inf"):
        raise MatricesError(f"noise is {noise}", "the noise level is a finite number, at least 0")
    given = check(matrices)
    generator = torch.Generator().manual_seed(seed)
    found = _find(given, None if noise is None else noise / given.scale, generator)
    found.classes.sort(key=lambda c: (c.pieces[0].part.dim, len(c.pieces)))
    layout = assembled(given.matrices, [piece.part for group in found.classes for piece in group.pieces])
    extensions = _extensions(found, layout, generator)
    stable = None
    if resamples > 0 and len(given.matrices) > 1:
        stable = stability(layout, _representatives(found, layout), found.noise, resamples, generator)
    return _written(given, found, layout, extensions, stable)


def _find(given: Given, noise: float | None, generator: torch.Generator) -> _Found:
    a, m = given.matrices, given.matrices.shape[-1]
    unit = unitarise(a, noise, given.floor, generator)
    if unit is not None:
        level = max(given.floor, unit.noise if noise is None else noise)
        known = Noise(level, 0.0 if noise is not None else _GUARD)
        source = "given" if noise is not None else "rounding" if level == given.floor else "orthogonality defect"
        parts = unitary.pieces(Part.of(a, unit.columns, unit.rows), known, generator)
        parts = _refined(a, parts, known, orthogonal=not unit.fitted)
        groups = classes(parts, known, generator)
        size = {"R": 1, "C": 2, "H": 4}
        dims = [len(c.pieces) ** 2 * size[c.type] if c.type is not None else None for c in groups]
        known_dims = [d for d in dims if d is not None]
        commutant = sum(known_dims) if len(known_dims) == len(dims) else None
        return _Found(groups, commutant, "unitarised" if unit.fitted else "orthogonal", known, source, [])
    eye = torch.eye(m).to(a)
    whole = Part(eye, eye, a)
    if noise is not None:
        return _general(whole, Noise(max(given.floor, noise)), "given", [], generator)
    gap = commutator_gap(whole) if m > 1 else given.floor
    if gap is not None:
        level = max(given.floor, gap)
        return _general(whole, Noise(level), "rounding" if level == given.floor else "commutator gap", [], generator)
    return _without_level(whole, given, generator)


def _without_level(whole: Part, given: Given, generator: torch.Generator) -> _Found:
    """No orthogonal basis, no noise given, no gap: nothing commutes, or the noise hides what does.

    An invariant subspace that holds to rounding tells: there is no noise, then.
    """
    found = _general(whole, Noise(given.floor), "rounding", [], generator)
    if exact_structure(whole, given.floor, generator):
        return found
    reason = "the matrices are not orthogonal in any basis and no gap shows their noise; give the noise level"
    return replace(found, reasons=[reason])


def _general(whole: Part, noise: Noise, source: str, reasons: list[str], generator: torch.Generator) -> _Found:
    found = general.pieces(whole, noise, generator)
    parts = _refined(whole.matrices, [piece for piece, _ in found], noise, orthogonal=False)
    groups, commutant = modules(list(zip(parts, [kind for _, kind in found], strict=True)), noise, generator)
    return _Found(groups, commutant, "general", noise, source, reasons)


def _refined(matrices: Tensor, pieces: list[Piece], noise: Noise, *, orthogonal: bool) -> list[Piece]:
    """The pieces after all the cuts between them have been refined together."""
    layout = polished(assembled(matrices, [p.part for p in pieces]), noise.level, orthogonal=orthogonal)
    return [replace(piece, part=part) for piece, part in zip(pieces, layout.parts(), strict=True)]


def _representatives(found: _Found, layout: Layout) -> list[Part]:
    """The first copy of each class."""
    parts, at, firsts = layout.parts(), 0, []
    for group in found.classes:
        firsts.append(parts[at])
        at += len(group.pieces)
    return firsts


def _extensions(found: _Found, layout: Layout, generator: torch.Generator) -> list[Extension | None]:
    """For every class off the orthogonal paths: is it irreducible, and if not, its flag."""
    if found.path != "general":
        return [None] * len(found.classes)
    m = layout.part.columns.shape[0]
    return [
        extension(p.matrices, p.row_energy, p.column_energy / m, found.noise.level, generator) if p.dim > 1 else None
        for p in _representatives(found, layout)
    ]


def _written(
    given: Given, found: _Found, layout: Layout, extensions: list[Extension | None], stable: Stability | None
) -> Decomposition:
    noise, restricted = found.noise.level, layout.part.matrices
    columns = layout.part.columns.clone()
    ranges = iter(layout.ranges())
    blocks: list[Block] = []
    for group, extended in zip(found.classes, extensions, strict=True):
        copies = tuple(next(ranges) for _ in group.pieces)
        dim = group.pieces[0].part.dim
        resolved = all(piece.resolved for piece in group.pieces)
        verdict = extended.verdict if extended is not None else "irreducible"
        if extended is not None and extended.flag is not None:
            for i, j in copies:
                columns[:, i:j] = columns[:, i:j] @ extended.basis
        blocks.append(
            Block(
                dim=dim,
                multiplicity=len(copies),
                type=group.type,
                verdict=verdict if resolved else "unresolved",
                flag=extended.flag if extended is not None and resolved else None,
                obstruction=extended.obstruction if extended is not None and resolved else None,
                columns=copies,
            )
        )
    worst = float(layout.residuals(noise).max()) if layout.blocks > 1 else None
    rejections = [p.rejected for group in found.classes for p in group.pieces if p.rejected is not None]
    doubts = [*found.reasons, *_doubts(found, layout)]
    reasons = [*doubts, *(c.reason for c in found.classes if c.reason)]
    reasons += [e.evidence for e in extensions if e is not None and e.verdict == "unresolved"]
    if found.commutant_dim is None and not reasons:
        reasons.append("the dimension of the commutant is not resolved")
    if doubts:
        blocks = [replace(b, type=None, verdict="unresolved", flag=None, obstruction=None) for b in blocks]
    verdict, reason = _verdict(blocks, reasons)
    outside = float((restricted * layout.outside()).square().sum() / restricted.square().sum()) ** 0.5
    return Decomposition(
        verdict=verdict,
        reason=reason,
        blocks=tuple(blocks),
        basis=given.returned(columns),
        count=len(given.matrices),
        size=given.matrices.shape[-1],
        noise=noise * given.scale,
        noise_source=found.source,
        path=found.path,
        off_block=outside,
        largest_accepted_cut=worst,
        smallest_rejected_cut=min(rejections, default=None),
        commutant_dim=None if verdict == "unresolved" else found.commutant_dim,
        stability=stable.same if stable is not None and verdict != "unresolved" else None,
        resamples=stable.resamples if stable is not None and verdict != "unresolved" else 0,
        cautions=tuple(_cautions(given.matrices, noise, stable)),
    )


def _doubts(found: _Found, layout: Layout) -> list[str]:
    """What speaks against all the cuts at once."""
    if layout.blocks == 1:
        return []
    noise, m, doubts = found.noise.level, layout.part.columns.shape[0], []
    shares = [
        noise**2 / m * float(p.row_energy.sum() * p.column_energy.sum() / p.matrices.square().sum((1, 2)).mean())
        for p in layout.parts()
    ]
    if max(shares) > _POWER:
        doubts.append(f"noise makes up {max(shares):.0%} of the squares in a block: too much to tell a cut")
    worst = float(layout.residuals(noise).max())
    if worst > accepted(2 * len(layout.part.matrices)):
        doubts.append(f"between two blocks {worst:.1f} x the noise is left")
    if found.path != "orthogonal" and too_oblique(layout, noise) >= 1:
        doubts.append("two blocks lean so far against one another that the noise could hide a coupling")
    return doubts


def _verdict(blocks: list[Block], reasons: list[str]) -> tuple[SetVerdict, str]:
    if reasons:
        return "unresolved", "; ".join(dict.fromkeys(reasons))
    copies = sum(b.multiplicity for b in blocks)
    if copies > 1:
        return "decomposable", f"{copies} blocks: every cut leaves what noise leaves, and no block has a further one"
    block = blocks[0]
    if block.verdict == "irreducible":
        return "irreducible", "nothing but multiples of the identity and the type's units comes near commuting"
    return block.verdict, f"no cut, but an invariant subspace of dimension {block.flag[0] if block.flag else 0}"


def _cautions(matrices: Tensor, noise: float, stable: Stability | None) -> list[str]:
    distinct = _distinct(matrices, noise)
    if distinct == 1:
        return ["one matrix generates a cyclic group: this is its structure, not that of a group it was drawn from"]
    if distinct == 2:
        return ["only two distinct matrices: the answer holds for the group they generate, if it is not a larger one"]
    if stable is not None and stable.finer > _FINER:
        return [
            f"too few matrices to identify a group they were drawn from: on {stable.finer:.0%} of the resamples "
            "the structure is finer; the answer holds for the group these matrices generate"
        ]
    return []


def _distinct(matrices: Tensor, noise: float) -> int:
    """How many matrices differ by more than noise, multiples of the identity apart: 1, 2, or 3 for more."""
    m = matrices.shape[-1]
    scalars = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(m).to(matrices)
    near = 2 * accepted(m * m) * noise**2 * m
    left = matrices[(matrices - scalars).square().sum((1, 2)) > near]
    for count in (1, 2):
        left = left[1:][(left[1:] - left[:1]).square().sum((1, 2)) > near]
        if not len(left):
            return count
    return 3
