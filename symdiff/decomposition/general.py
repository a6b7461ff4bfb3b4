"""Blocks of matrices that no basis makes orthogonal: idempotents of the commutant, by Fitting's lemma.

A module is indecomposable iff its endomorphism ring, the commutant, is local: modulo the radical it is R, C or H. A
generic element of a commutant that is not local has eigenvalues in separate groups, and its spectral projectors are
idempotents that cut the module (Fitting's lemma; Curtis and Reiner 1962, section 14).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from symdiff.decomposition.commutant import Noise, Search, child, collect, full_space, generic, search
from symdiff.decomposition.cuts import EXPLAINED, Layout, accepted, polished, unexplained
from symdiff.decomposition.structure import RealType
from symdiff.decomposition.sylvester import Part
from symdiff.decomposition.unitary import Piece

# Endomorphisms of a part up to this dimension are searched whole, by a dense decomposition.
_DENSE = 20
# Beyond this norm a projector is no longer determined by matrices known to a few digits.
_NORM = 1e3
# Generic elements of a commutant that are looked at for a cut, `_TOGETHER` at a time. Where one summand maps into
# another, each gives another complement, and some lean so far against it that noise hides what they are.
_TRIES = 8
_TOGETHER = 2
# Real parts of eigenvalues that differ by less, relative to the norm, are the same: rounding parts a double eigenvalue
# that has one eigenvector by its root.
_ROUNDING = 1e-7
_LIMIT = 12


def endomorphisms(part: Part, noise: Noise, generator: torch.Generator, *, limit: int = _LIMIT) -> Search:
    """Search for matrices of trace 0 that commute with those of a part: all, or up to `limit` if it is large."""
    if part.dim <= _DENSE:
        return search(part, part, full_space(part.dim, part.dim, part.matrices, traceless=True), noise)
    return collect(part, part, noise, generator, limit=limit, sweep=False)


def pieces(whole: Part, noise: Noise, generator: torch.Generator) -> list[tuple[Piece, RealType | None]]:
    """Cut a part until every piece is shown to be indecomposable, or is known not to be resolved; with their types."""
    waiting = [whole]
    done: list[tuple[Piece, RealType | None]] = []
    while waiting:
        part = waiting.pop()
        if part.dim == 1:
            done.append((Piece(part, True, None, endomorphisms=1), "R"))
            continue
        own = child(generator)
        # One element of the commutant is mostly enough for a cut; all of them are needed to say that there is none.
        found = endomorphisms(part, noise, own, limit=1)
        layout, rejected = _cut(part, found.found, noise, own)
        if layout is None and not found.complete:
            found = endomorphisms(part, noise, own)
            layout, rejected = _cut(part, found.found, noise, own)
        if layout is not None:
            waiting.extend(layout.parts())
        else:
            done.append(_judged(part, found, rejected, noise))
    return done


def _cut(part: Part, found: Tensor, noise: Noise, generator: torch.Generator) -> tuple[Layout | None, float | None]:
    """Cut along the spectrum of generic elements of the commutant, of each few the least oblique cut that is at noise.

    Without one, the smallest residual of those refused is returned.
    """
    smallest: float | None = None
    draws = _TRIES if len(found) > 1 else len(found)  # of one element all are multiples
    for begun in range(0, draws, _TOGETHER):
        few = range(begun, min(draws, begun + _TOGETHER))
        cuts = [projector for _ in few for projector in _projectors(part, found, generator)]
        for projector in sorted(cuts, key=partial(_obliqueness, part)):
            layout = polished(_split(part, projector), noise.level, orthogonal=False)
            residual = float(layout.residuals(noise.level).max())
            if residual <= accepted(2 * len(part.matrices)) and unexplained(layout, noise.level) < EXPLAINED:
                return layout, residual
            smallest = residual if smallest is None else min(smallest, residual)
    return None, smallest


def _projectors(part: Part, found: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Spectral projectors of a generic element of the commutant, at its widest gaps."""
    x = generic(part, part, found, generator)
    values = torch.linalg.eigvals(x).real.sort().values
    gaps = values.diff()
    cuts = []
    for at in gaps.argsort(descending=True)[:4].tolist():
        if float(gaps[at]) <= _ROUNDING * float(x.norm()):
            break  # conjugate eigenvalues, or equal ones: nothing separates them
        projector = spectral_projector(x, float(values[at] + values[at + 1]) / 2)
        if projector is not None and 0 < round(float(projector.diagonal().sum())) < part.dim:
            cuts.append(projector)
    return cuts


def _obliqueness(part: Part, projector: Tensor) -> float:
    """``|P|_F^2 - tr P`` in the coordinates the matrices were given in: 0 for an orthogonal projector."""
    excess = float((part.columns @ projector @ part.rows).square().sum() - projector.diagonal().sum())
    return round(excess, 6)  # those that differ by rounding alone, as P and 1 - P, stay in the order they were drawn in


def spectral_projector(x: Tensor, shift: float) -> Tensor | None:
    """The projector on the invariant subspace of ``[d, d]`` `x` for eigenvalues of real part above `shift`.

    Half of 1 plus the matrix sign function, by Newton's iteration with norm scaling (Higham 2008, section 5.5);
    ``None`` if it does not converge to one or the projector is too oblique to be determined.
    """
    eye = torch.eye(len(x)).to(x)
    z = x - shift * eye
    for _ in range(60):
        inverse, info = torch.linalg.inv_ex(z)
        if int(info) or not bool(torch.isfinite(inverse).all()):
            return None
        scale = float((inverse.norm() / z.norm()).sqrt())
        # Scaling helps far from the limit and disturbs near it.
        scale = scale if abs(scale - 1) > 0.1 else 1.0
        after = (scale * z + inverse / scale) / 2
        change = float((after - z).norm() / after.norm())
        z = after
        if change < 1e-13:
            break
    else:
        if not change <= 1e-8:
            return None
    projector = (eye + z) / 2
    # An eigenvalue on the line itself goes anywhere: imaginary pairs can end at 0, and the projector at half of 1.
    if float((projector @ projector - projector).norm()) > 1e-6 * float(projector.square().sum()):
        return None
    return projector if float(torch.linalg.matrix_norm(projector, 2)) <= _NORM else None


def _split(part: Part, projector: Tensor) -> Layout:
    eye = torch.eye(part.dim).to(projector)
    rank = round(float(projector.diagonal().sum()))
    # Orthonormal within each block, in the coordinates the matrices were given in.
    first = torch.linalg.svd(part.columns @ projector, full_matrices=False)[0][:, :rank]
    second = torch.linalg.svd(part.columns @ (eye - projector), full_matrices=False)[0][:, : part.dim - rank]
    turn = part.rows @ torch.cat([first, second], 1)
    return Layout(part.turned(turn, torch.linalg.inv(turn)), (torch.arange(part.dim) >= rank).long())


def _judged(part: Part, found: Search, rejected: float | None, noise: Noise) -> tuple[Piece, RealType | None]:
    """Whether the commutant found is local: no element of trace 0 with a positive square in the trace form.

    On traceless elements modulo the radical the form ``tr(X Y)`` has no positive square for R (nothing is left),
    C (one negative) and H (three negative), and at least one for everything that has an idempotent.
    """
    floor = [r for r in (found.rejected, rejected) if r is not None]
    smallest = min(floor, default=None)
    if not found.resolved:
        ratio = "unknown" if found.rejected is None else f"{found.rejected:.1f} x noise"
        return Piece(
            part, False, smallest, f"a matrix nearly commutes with a part of dimension {part.dim} ({ratio})"
        ), None
    if not found.complete:
        reason = f"a part of dimension {part.dim} has more than {_LIMIT} commuting elements and no cut was found"
        return Piece(part, False, smallest, reason), None
    if not len(found.found):
        return Piece(part, True, smallest, endomorphisms=1), "R"
    form = torch.einsum("aij,bji->ab", found.found, found.found)
    squares = torch.linalg.eigvalsh((form + form.mT) / 2)
    # To first order noise moves a unit element of the commutant by this much, if all other directions were the nearest.
    error = (len(part.matrices) * found.rejected) ** -0.5 if found.rejected else 0.0
    radical, negative = squares.abs() <= max(4 * error, 1e-9), squares <= -max(16 * error, 1e-6)
    kinds: dict[int, RealType] = {0: "R", 1: "C", 3: "H"}
    kind = kinds.get(int(negative.sum()))
    if not bool((radical | negative).all()) or kind is None:
        reason = f"a part of dimension {part.dim} has commuting elements, but no cut of it is at noise"
        return Piece(part, False, smallest, reason), None
    return Piece(part, True, smallest, endomorphisms=1 + len(found.found)), kind
