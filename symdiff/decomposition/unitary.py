"""Blocks of matrices that are orthogonal up to noise: the commutant is a *-algebra, and its symmetric elements cut."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from symdiff.decomposition.commutant import (
    DENSE,
    Noise,
    Search,
    child,
    collect,
    generic,
    search,
    skew_space,
    symmetric_commutant,
)
from symdiff.decomposition.cuts import cut
from symdiff.decomposition.sylvester import Part

# A fresh element of the commutant for each try: two blocks with nearly the same eigenvalue in one differ in the next.
_TRIES = 4


@dataclass(frozen=True)
class Piece:
    """A subspace that was not cut further.

    Attributes
    ----------
    part
        The subspace and the matrices in it.
    resolved
        Whether it is known to have no cut, rather than none having been found.
    rejected
        A lower bound on the residual over noise of any cut of it; ``None`` in one dimension.
    reason
        What kept it from being resolved; empty if resolved.
    endomorphisms
        Dimension of the commutant of the piece, where it was counted.
    """

    part: Part
    resolved: bool
    rejected: float | None
    reason: str = ""
    endomorphisms: int | None = None


def pieces(whole: Part, noise: Noise, generator: torch.Generator) -> list[Piece]:
    """Cut a part until every piece is shown to be irreducible, or is known not to be resolved."""
    waiting, done = [whole], []
    while waiting:
        part = waiting.pop()
        outcome = _halve(part, noise, child(generator))
        if isinstance(outcome, Piece):
            done.append(outcome)
        else:
            waiting.extend(outcome)
    return done


def _halve(part: Part, noise: Noise, generator: torch.Generator) -> Piece | list[Part]:
    if part.dim == 1:
        return Piece(part, True, None)
    worst = 0.0
    for _ in range(_TRIES):
        found = symmetric_commutant(part, noise, generator)
        if not len(found.found):
            reason = "" if found.resolved else _nearly(part, found)
            return Piece(part, found.resolved, found.rejected, reason)
        x = generic(part, part, found.found, generator)
        turn = torch.linalg.eigh(x).eigenvectors
        layout, worst = cut(part.turned(turn, turn.mT), noise.level, orthogonal=True)
        if layout.blocks > 1:
            return layout.parts()
    reason = f"a part of dimension {part.dim} has a commuting element, but no cut (residual {worst:.1f} x noise)"
    return Piece(part, False, worst, reason)


def _nearly(part: Part, found: Search) -> str:
    ratio = "unknown" if found.rejected is None else f"{found.rejected:.1f} x noise"
    return f"in a part of dimension {part.dim} an element nearly commutes (residual {ratio}): noise or structure"


def skew_commutant(part: Part, noise: Noise, generator: torch.Generator) -> Search:
    """Search for skew matrices that commute with the matrices of an irreducible part: at most 3 are independent."""
    d = part.dim
    if d * (d - 1) // 2 <= DENSE:
        return search(part, part, skew_space(d, part.matrices), noise)
    return collect(part, part, noise, generator, limit=4, parity=-1, sweep=True)
