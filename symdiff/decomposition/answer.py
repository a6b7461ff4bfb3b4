"""The answer of a decomposition written down: blocks, flags and evidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch

from symdiff.decomposition.classes import Class
from symdiff.decomposition.cuts import Layout
from symdiff.decomposition.doubts import UNKNOWN, Found, cautions, doubts
from symdiff.decomposition.extension import Extension
from symdiff.decomposition.gauge import upright
from symdiff.decomposition.matrices import Given
from symdiff.decomposition.stability import Stability
from symdiff.decomposition.structure import Block, Decomposition, SetVerdict


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
    against = [*found.reasons, *doubts(found, layout)]
    reasons = [*against, *(c.reason for c in found.classes if c.reason)]
    for group, extended in zip(found.classes, extensions, strict=True):
        copies = tuple(next(ranges) for _ in group.pieces)
        block, reason = _block(group, copies, extended, doubtful=bool(against))
        blocks.append(block)
        reasons += [reason] if reason else []
        if block.flag is not None:
            for (i, j), extension in zip(copies, extended, strict=True):
                columns[:, i:j] = columns[:, i:j] @ extension.basis
        for start, stop in pairwise([0, *(block.flag or (block.dim,))]):
            layers = torch.tensor([[*range(i + start, i + stop)] for i, _ in copies], device=columns.device)
            spans = columns[:, layers].movedim(0, 1)
            columns[:, layers] = (spans @ upright(spans)).movedim(1, 0)
    worst = float(layout.residuals(noise).max()) if layout.blocks > 1 else None
    rejections = [p.rejected for group in found.classes for p in group.pieces if p.rejected is not None]
    if found.commutant_dim is None and not reasons:
        reasons.append("the dimension of the commutant is not resolved")
    answer, reason = _verdict(blocks, reasons)
    settled = stable if answer != "unresolved" else None
    known = found.source != UNKNOWN
    outside = float((restricted * layout.outside()).square().sum() / restricted.square().sum()) ** 0.5
    return Decomposition(
        verdict=answer,
        reason=reason,
        blocks=tuple(blocks),
        basis=given.returned(columns),
        count=len(given.matrices),
        size=given.matrices.shape[-1],
        noise=noise * given.scale if known else None,
        noise_source=found.source,
        path=found.path,
        off_block=outside,
        largest_accepted_cut=worst if known else None,
        smallest_rejected_cut=min(rejections, default=None) if known else None,
        commutant_dim=None if answer == "unresolved" else found.commutant_dim,
        stability=settled.same if settled is not None else None,
        resamples=settled.resamples if settled is not None else 0,
        cautions=tuple(cautions(given.matrices, found, stable)),
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
