"""What speaks against an answer: doubts that make it unresolved, and cautions that go with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import chdtri, gammaincinv  # chi2.isf and half chi2.ppf; scipy.stats is slow to import
from torch import Tensor

from symdiff.decomposition.classes import Class
from symdiff.decomposition.commutant import Noise
from symdiff.decomposition.cuts import EXPLAINED, Layout, accepted, unexplained
from symdiff.decomposition.stability import Stability
from symdiff.decomposition.structure import Path
from symdiff.decomposition.sylvester import Part

DEFECT, GAP, ROUNDING, GIVEN, UNKNOWN = "orthogonality defect", "commutator gap", "rounding", "given", "not known"
"""Where a noise level comes from."""

# Where noise makes up more than this share of a block's squares, a residual at noise is no evidence of a cut.
_POWER = 0.01
# A finer structure on more than this share of the resamples: the matrices do not pin the group down.
_FINER = 0.05
# An invariant subspace leaves this many times the noise at most; nothing blows noise up in an orthonormal basis. More
# where the level of the noise is only estimated.
_INVARIANT, _INVARIANT_ESTIMATED = 2.5, 5.0
# One in so many answers on true noise is doubted because the noise does not look like noise.
_CHANCE = 1e-5
# A part that noise of this level could hide a cut of, were it to keep the matrices orthogonal.
_HIDDEN = 0.3


@dataclass(frozen=True)
class Found:
    """Classes of pieces that one way of cutting came to.

    Attributes
    ----------
    classes
        Smallest dimension first.
    commutant_dim
        Dimension of the commutant; ``None`` if not resolved.
    path
        The way of cutting.
    noise, source
        The noise level, in units of the given matrices' scale, and where it comes from.
    reasons
        What speaks against all of it.
    defect
        The noise level that the matrices' departure from orthogonality would amount to, where a smaller one was given.
    """

    classes: list[Class]
    commutant_dim: int | None
    path: Path
    noise: Noise
    source: str
    reasons: tuple[str, ...] = ()
    defect: float | None = None

    @property
    def orthonormal(self) -> bool:
        """Whether the blocks are orthogonal to one another, in the given basis."""
        return self.path in ("orthogonal", "self-adjoint")


def doubts(found: Found, layout: Layout) -> list[str]:
    """What speaks against all the cuts at once."""
    if layout.blocks == 1:
        return []
    noise, m, against = found.noise.level, layout.part.columns.shape[0], []
    shares = [
        noise**2 / m * float(p.row_energy.sum() * p.column_energy.sum() / p.matrices.square().sum((1, 2)).mean())
        for p in layout.parts()
    ]
    if max(shares) > _POWER:
        against.append(f"noise makes up {min(1, max(shares)):.0%} of the squares in a block: too much to tell a cut")
    worst = float(layout.residuals(noise).max())
    if worst > accepted(2 * len(layout.part.matrices)):
        against.append(f"between two blocks {worst:.1f} x the noise is left")
    if not found.orthonormal and unexplained(layout, noise) >= EXPLAINED:
        against.append("a block leans so far against the others that noise could hide its coupling to them")
    factor = _INVARIANT if found.source == GIVEN else _INVARIANT_ESTIMATED
    if not found.orthonormal and not _invariant(layout, noise, factor):
        against.append("a block is not invariant to within the noise in an orthonormal basis")
    if found.source in (DEFECT, GAP) and not _white(layout, noise, orthogonal=found.orthonormal):
        against.append(
            f"what is left outside the blocks does not look like noise of the estimated level ({found.source})"
        )
    return against


def _invariant(layout: Layout, noise: float, factor: float) -> bool:
    """Whether what the matrices move out of each block is noise, measured in an orthonormal basis of the block.

    Residuals between blocks are measured in the basis of the blocks, where lean blocks have more noise.
    """
    p = layout.part
    count, m = len(p.matrices), p.columns.shape[0]
    for i, j in layout.ranges():
        if j - i == m:
            continue
        q, triangle = torch.linalg.qr(p.columns[:, i:j])
        image = p.columns @ (p.matrices[:, :, i:j] @ torch.linalg.inv(triangle))
        left = float((image - q @ (q.mT @ image)).square().sum())
        squares = count * (j - i) * (m - (j - i))
        if left > max(factor, float(chdtri(squares, 1e-6)) / squares) * squares * noise**2 / m:
            return False
    return True


def _white(layout: Layout, noise: float, *, orthogonal: bool) -> bool:
    """Whether what is left between blocks is spread as noise would be, neither much less nor much more anywhere.

    An estimated level is the size of something; a small coupling and a nearly orthogonal group have a size, too.
    """
    matrices = layout.part.matrices
    # A matrix given twice has the same noise twice: no further evidence.
    count = len(matrices.flatten(1).sum(1).cpu().unique())
    found, expected = (energy.cpu() for energy in layout.energies(noise))
    dims = torch.bincount(layout.labels).to(found)
    # In an oblique basis the entries of the noise are correlated: fewer independent squares than entries.
    squares = count * (torch.outer(dims, dims) if orthogonal else torch.outer(dims, dims).sqrt())
    chance = _CHANCE / layout.blocks**2
    low = torch.as_tensor(2 * gammaincinv((squares * (count - 1) / count).clamp(min=1) / 2, chance)) / squares
    high = torch.as_tensor(chdtri(squares, chance)) / squares
    ratio = found / expected
    off = ~torch.eye(layout.blocks, dtype=torch.bool)
    return not bool((((ratio < low) | (ratio > high)) & off).any())


def cautions(matrices: Tensor, found: Found, stable: Stability | None) -> list[str]:
    """What to keep in mind with the answer."""
    said = []
    if found.defect is not None:
        said.append(
            f"the matrices are orthogonal up to {found.defect:.1e}, {found.defect / found.noise.level:.0f} times the "
            "noise given: if that is noise, give it"
        )
    distinct = _distinct(matrices, found.noise.level)
    if distinct == 1:
        said.append("one matrix generates a cyclic group: this is its structure, not that of a group it was drawn from")
    elif distinct == 2:
        said.append("only two distinct matrices: the answer holds for the group they generate, if that is not larger")
    elif distinct > 2 and stable is not None and stable.finer > _FINER:
        said.append(
            f"too few matrices to identify a group they were drawn from: on {stable.finer:.0%} of the resamples "
            "the structure is finer; the answer holds for the group these matrices generate"
        )
    hidden = [_hiding(piece.part, piece.rejected, found.noise.level) for c in found.classes for piece in c.pieces]
    if found.source == ROUNDING and found.path == "orthogonal" and min(hidden, default=1.0) < _HIDDEN:
        said.append(
            f"noise of about {min(hidden):.1g} that keeps the matrices orthogonal could hide a cut: give the noise, "
            "0 if there is none"
        )
    return said


def _hiding(part: Part, rejected: float | None, noise: float) -> float:
    """The noise level at which what was rejected would have been accepted."""
    return noise * rejected**0.5 if rejected is not None and part.dim > 1 else 1.0


def _distinct(matrices: Tensor, noise: float) -> int:
    """How many matrices differ by more than noise, multiples of the identity apart: 0, 1, 2, or 3 for more."""
    m = matrices.shape[-1]
    scalars = matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(m).to(matrices)
    near = 2 * accepted(m * m) * noise**2 * m
    left = matrices[(matrices - scalars).square().sum((1, 2)) > near]
    for count in (0, 1, 2):
        if not len(left):
            return count
        left = left[1:][(left[1:] - left[:1]).square().sum((1, 2)) > near]
    return 3
