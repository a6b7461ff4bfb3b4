"""The answer of a decomposition written down: blocks, evidence, doubts and cautions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symdiff.decomposition.classes import Class
from symdiff.decomposition.commutant import Noise
from symdiff.decomposition.cuts import EXPLAINED, Layout, accepted, unexplained
from symdiff.decomposition.extension import Extension
from symdiff.decomposition.matrices import Given
from symdiff.decomposition.stability import Stability
from symdiff.decomposition.structure import Block, Decomposition, Path, SetVerdict

# Where noise makes up more than this share of a block's squares, a residual at noise is no evidence of a cut.
_POWER = 0.01
# A finer structure on more than this share of the resamples: the matrices do not pin the group down.
_FINER = 0.05


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
    """

    classes: list[Class]
    commutant_dim: int | None
    path: Path
    noise: Noise
    source: str
    reasons: tuple[str, ...] = ()


def written(
    given: Given, found: Found, layout: Layout, extensions: list[list[Extension]], stable: Stability | None
) -> Decomposition:
    """Write down what was found.

    Parameters
    ----------
    layout
        All copies of all classes side by side.
    extensions
        For each class, of every copy or of the first; empty where copies are known to be irreducible.
    """
    noise, restricted = found.noise.level, layout.part.matrices
    columns = layout.part.columns.clone()
    ranges = iter(layout.ranges())
    blocks: list[Block] = []
    doubts = [*found.reasons, *_doubts(found, layout)]
    reasons = [*doubts, *(c.reason for c in found.classes if c.reason)]
    for group, extended in zip(found.classes, extensions, strict=True):
        copies = tuple(next(ranges) for _ in group.pieces)
        block, reason = _block(group, copies, extended, doubtful=bool(doubts))
        blocks.append(block)
        reasons += [reason] if reason else []
        if block.flag is not None:
            for (i, j), extension in zip(copies, extended, strict=True):
                columns[:, i:j] = columns[:, i:j] @ extension.basis
    worst = float(layout.residuals(noise).max()) if layout.blocks > 1 else None
    rejections = [p.rejected for group in found.classes for p in group.pieces if p.rejected is not None]
    if found.commutant_dim is None and not reasons:
        reasons.append("the dimension of the commutant is not resolved")
    answer, reason = _verdict(blocks, reasons)
    settled = stable if answer != "unresolved" else None
    outside = float((restricted * layout.outside()).square().sum() / restricted.square().sum()) ** 0.5
    return Decomposition(
        verdict=answer,
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
        commutant_dim=None if answer == "unresolved" else found.commutant_dim,
        stability=settled.same if settled is not None else None,
        resamples=settled.resamples if settled is not None else 0,
        cautions=tuple(_cautions(given.matrices, noise, stable)),
    )


def _block(
    group: Class, copies: tuple[tuple[int, int], ...], extended: list[Extension], *, doubtful: bool
) -> tuple[Block, str]:
    """A class of pieces as a block, and what keeps it from being resolved."""
    block = Block(group.pieces[0].part.dim, len(copies), group.type, "irreducible", None, None, copies)
    unresolved = replace(block, type=None, verdict="unresolved")
    if doubtful or not all(piece.resolved for piece in group.pieces):
        return unresolved, ""
    if not extended or extended[0].verdict == "irreducible":
        return block, ""
    for extension in extended:
        if extension.verdict == "unresolved":
            return replace(block, verdict="unresolved"), extension.evidence
        if extension.flag != extended[0].flag or extension.flag is None:
            return replace(block, verdict="unresolved"), f"copies of dimension {block.dim} show different flags"
    obstruction = min((e.obstruction for e in extended if e.obstruction is not None), default=None)
    return replace(block, verdict="reducible-indecomposable", flag=extended[0].flag, obstruction=obstruction), ""


def _doubts(found: Found, layout: Layout) -> list[str]:
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
    if found.path != "orthogonal" and unexplained(layout, noise) >= EXPLAINED:
        doubts.append("a block leans so far against the others that noise could hide its coupling to them")
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
