"""Which irreducible pieces are equivalent, and over which division algebra: R, C or H."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from symdiff.decomposition.commutant import DENSE, Noise, Search, all_intertwiners, collect, generic
from symdiff.decomposition.cuts import REJECT
from symdiff.decomposition.gauge import position
from symdiff.decomposition.structure import RealType
from symdiff.decomposition.sylvester import Part
from symdiff.decomposition.unitary import Piece, skew_commutant

# Generic intertwiners looked at before two modules count as not isomorphic.
_TRIES = 4
_TYPES: dict[int, RealType] = {0: "R", 1: "C", 3: "H"}
_ENDOMORPHISMS: dict[RealType, int] = {"R": 1, "C": 2, "H": 4}


@dataclass(frozen=True)
class Class:
    """Equivalent irreducible pieces.

    Attributes
    ----------
    pieces
        The copies.
    type
        Their division algebra; ``None`` if not resolved.
    reason
        What kept the type or an equivalence from being resolved; empty if nothing did.
    """

    pieces: list[Piece]
    type: RealType | None
    reason: str = ""


def classes(found: list[Piece], noise: Noise, generator: torch.Generator) -> tuple[list[Class], int | None]:
    """Group irreducible pieces of (orthogonal) matrices by equivalence and find their types.

    Returns
    -------
    list of Class
        Smallest dimension first, then fewest copies, then by position.
    int or None
        Dimension of the commutant, by Schur's lemma; ``None`` if a type is not resolved.
    """
    groups: list[list[Piece]] = []
    reasons: dict[int, str] = {}
    for piece in found:
        at, doubtful = len(groups), False
        for i, group in enumerate(groups):
            if not piece.resolved or not group[0].resolved or group[0].part.dim != piece.part.dim:
                continue
            same = equivalent(piece.part, group[0].part, noise, generator)
            doubtful |= same is None
            if same:
                at = i
                break
        if at == len(groups):
            groups.append([])
        groups[at].append(piece)
        if doubtful:
            reasons[at] = f"whether two parts of dimension {piece.part.dim} are equivalent is not resolved"
    typed = [_typed(group, noise, generator, reasons.get(i, "")) for i, group in enumerate(groups)]
    dims = [len(c.pieces) ** 2 * _ENDOMORPHISMS[c.type] for c in typed if c.type is not None]
    return _ordered(typed), sum(dims) if len(dims) == len(typed) else None


def _ordered(groups: list[Class]) -> list[Class]:
    copies = [replace(c, pieces=sorted(c.pieces, key=lambda p: position([p.part]))) for c in groups]
    ordered = sorted(
        copies, key=lambda c: (c.pieces[0].part.dim, len(c.pieces), position([piece.part for piece in c.pieces]))
    )
    return [_upright(c) if c.pieces[0].part.dim == 1 and len(c.pieces) > 1 else c for c in ordered]


def _upright(group: Class) -> Class:
    """The copies of a line in an orthonormal basis of their span.

    Copies may be mixed at will, and lines that lean against one another would blow up the noise between them: enough to
    hide in it that a shear is no two lines.
    """
    parts = [piece.part for piece in group.pieces]
    columns, triangle = torch.linalg.qr(torch.cat([p.columns for p in parts], 1))
    rows = triangle @ torch.cat([p.rows for p in parts])
    values = torch.cat([p.matrices for p in parts], 2).squeeze(1)
    turned = triangle @ torch.diag_embed(values) @ torch.linalg.inv(triangle)
    lines = []
    for i, part in enumerate(parts):
        line = slice(i, i + 1)
        matrices = turned[:, line, line].contiguous()
        lines.append(replace(part, columns=columns[:, line], rows=rows[line], matrices=matrices))
    pieces = [replace(piece, part=line) for piece, line in zip(group.pieces, lines, strict=True)]
    return replace(group, pieces=pieces)


def _typed(group: list[Piece], noise: Noise, generator: torch.Generator, reason: str) -> Class:
    piece = group[0]
    if not piece.resolved:
        return Class(group, None, piece.reason)
    found = skew_commutant(piece.part, noise, generator)
    kind = _TYPES.get(len(found.found)) if found.resolved else None
    if kind is None:
        reason = reason or f"the type (R, C or H) of a part of dimension {piece.part.dim} is not resolved"
    return Class(group, kind, reason)


def equivalent(left: Part, right: Part, noise: Noise, generator: torch.Generator) -> bool | None:
    """Whether two irreducible parts are equivalent; ``None`` if the noise does not let one tell.

    Equivalent parts have equal traces; where the traces agree an intertwiner decides.
    """
    traces = (left.matrices - right.matrices).diagonal(dim1=1, dim2=2).sum(1)
    variance = noise.level**2 / left.columns.shape[0] * (_trace_share(left) + _trace_share(right))
    apart = float(traces.square().mean())
    # Far beyond noise: errors common to all matrices do not average out in one number a matrix.
    if apart >= REJECT**2 * variance and apart >= noise.guard:
        return False
    found = intertwiners(left, right, noise, generator, limit=1)
    if len(found.found):
        return True
    return False if found.resolved else None


def modules(
    found: list[tuple[Piece, RealType | None]], noise: Noise, generator: torch.Generator
) -> tuple[list[Class], int | None]:
    """Group indecomposable pieces by isomorphism, and count the dimension of the commutant.

    Two indecomposable modules are isomorphic iff some intertwiner is invertible, and then a generic one is. The
    commutant is the sum of all spaces of intertwiners; those between pieces that are not isomorphic lie in its radical.

    Returns
    -------
    list of Class
        Smallest dimension first, then fewest copies, then by position.
    int or None
        Dimension of the commutant; ``None`` if not resolved.
    """
    groups: list[Class] = []
    for piece, kind in found:
        for i, group in enumerate(groups):
            first = group.pieces[0]
            if not piece.resolved or not first.resolved or first.part.dim != piece.part.dim or group.type != kind:
                continue
            same = _isomorphic(piece.part, first.part, noise, generator)
            if same:
                groups[i] = Class([*group.pieces, piece], kind, group.reason)
                break
            if same is None:
                reason = f"whether two parts of dimension {piece.part.dim} are isomorphic is not resolved"
                groups[i] = Class(group.pieces, kind, reason)
        else:
            groups.append(Class([piece], kind, piece.reason))
    return _ordered(groups), _commutant_dim(groups, noise, generator)


def _isomorphic(left: Part, right: Part, noise: Noise, generator: torch.Generator) -> bool | None:
    found = intertwiners(left, right, noise, generator)
    if not len(found.found):
        return False if found.resolved else None
    error = (len(left.matrices) * found.rejected) ** -0.5 if found.rejected else 0.0
    ratio = 0.0
    for _ in range(_TRIES):
        singular = torch.linalg.svdvals(generic(left, right, found.found, generator))
        ratio = max(ratio, float(singular[-1] / singular[0]))
    if ratio >= max(1e-6, 16 * error):
        return True
    return False if ratio <= max(1e-9, 4 * error) else None


def _commutant_dim(groups: list[Class], noise: Noise, generator: torch.Generator) -> int | None:
    total = 0
    for left in groups:
        for right in groups:
            one, other = left.pieces[0], right.pieces[0]
            if left is right:
                dim = one.endomorphisms
            else:
                found = intertwiners(one.part, other.part, noise, generator)
                dim = len(found.found) if found.resolved and found.complete else None
            if dim is None:
                return None
            total += dim * len(left.pieces) * len(right.pieces)
    return total


def _trace_share(part: Part) -> float:
    """Variance of the trace of the noise ``U N S`` for N of unit variance."""
    return float(((part.rows @ part.rows.mT) * (part.columns.mT @ part.columns)).sum())


def intertwiners(left: Part, right: Part, noise: Noise, generator: torch.Generator, *, limit: int = 12) -> Search:
    """Search for Y with ``A_k Y = Y B_k``: all of them in small dimensions, else one."""
    if left.dim * right.dim <= DENSE:
        return all_intertwiners(left, right, noise)
    return collect(left, right, noise, generator, limit=limit, sweep=False)
