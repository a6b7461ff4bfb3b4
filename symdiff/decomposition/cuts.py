"""Cuts of a space into blocks, judged by their residual: what the matrices leave outside the blocks, over noise.

A cut is accepted because its residual is that of noise, never because of a gap between eigenvalues. One generic element
of the commutant proposes the blocks (Murota, Kanno, Kojima and Kojima 2010; Maehara and Murota 2011); the residual test
is what makes it sound under noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2
from torch import Tensor

from symdiff.decomposition.sylvester import Part, least_squares

# Residual over expected noise, in squares: up to the first a residual is noise, from the second on it is not.
ACCEPT, REJECT = 4.0, 16.0
# The noise of a block over what the matrices do on it, from which on its cut is no evidence; see `too_oblique`.
_OBLIQUE = 0.1
# Pairs of blocks looked at for it.
_PAIRS = 500


@cache
def accepted(freedom: int) -> float:
    """The largest residual over noise that still counts as noise, with `freedom` squares summed in it.

    Few squares scatter: a threshold that one in a million true cuts exceeds.
    """
    return max(ACCEPT, float(chi2.isf(1e-6, freedom)) / freedom)


@dataclass(frozen=True)
class Layout:
    """A part whose basis vectors are grouped into blocks.

    Attributes
    ----------
    part
        The subspace, its basis and the matrices in it.
    labels
        ``[d]`` (on the CPU), ascending: the block of each basis vector.
    """

    part: Part
    labels: Tensor

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return int(self.labels[-1]) + 1

    def ranges(self) -> list[tuple[int, int]]:
        """The half-open range of basis vectors of each block."""
        ends: list[int] = torch.bincount(self.labels).cumsum(0).tolist()
        return list(pairwise([0, *ends]))

    def parts(self) -> list[Part]:
        """Each block by itself."""
        p = self.part
        return [Part(p.columns[:, i:j], p.rows[i:j], p.matrices[:, i:j, i:j].contiguous()) for i, j in self.ranges()]

    def merged(self, groups: Tensor) -> Layout:
        """The layout with blocks of one group made one block; `groups` is ``[blocks]``."""
        labels = groups[self.labels]
        order = torch.argsort(labels, stable=True)
        at, p = order.to(self.part.columns.device), self.part
        return Layout(Part(p.columns[:, at], p.rows[at], p.matrices[:, at][:, :, at]), labels[order])

    def residuals(self, noise: float) -> Tensor:
        """``[blocks, blocks]`` (on the CPU): residual over noise between each two blocks, 0 on the diagonal."""
        found, expected = self._pair_energies(noise)
        return (found / expected).fill_diagonal_(0).cpu()

    def _pair_energies(self, noise: float) -> tuple[Tensor, Tensor]:
        p = self.part
        energy = p.matrices.square().sum(0)
        member = torch.nn.functional.one_hot(self.labels).to(energy)
        share = torch.outer(p.row_energy @ member, p.column_energy @ member)
        unit = len(p.matrices) * noise**2 / p.columns.shape[0]
        return member.mT @ (energy + energy.mT) @ member, unit * (share + share.mT)

    def outside(self) -> Tensor:
        """``[d, d]``, 1 outside the blocks."""
        labels = self.labels.to(self.part.columns.device)
        return (labels[:, None] != labels).to(self.part.columns)


def assembled(matrices: Tensor, parts: list[Part]) -> Layout:
    """The parts side by side as blocks, with the given ``[K, m, m]`` matrices in their joint basis."""
    columns, rows = torch.cat([p.columns for p in parts], 1), torch.cat([p.rows for p in parts])
    labels = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([p.dim for p in parts]))
    return Layout(Part.of(matrices, columns, rows), labels)


def too_oblique(layout: Layout, noise: float) -> float:
    """How far two blocks are from where noise could have made them out of one; 1 or more is too near.

    Where a coupling t between two blocks has no complement, a second block leaned against the first by an angle e
    turns it into t e and the noise s into s / e: below e^2 ~ s / t any coupling passes for noise. A cut is therefore
    evidence only if ``s / e^2`` is small beside what the matrices do on the two blocks together.
    """
    p, ranges = layout.part, layout.ranges()
    unit = noise / p.columns.shape[0] ** 0.5
    spans = torch.cat([torch.linalg.qr(p.columns[:, i:j]).Q for i, j in ranges], 1)
    member = torch.nn.functional.one_hot(layout.labels).to(spans)
    overlap = torch.triu(member.mT @ (spans.mT @ spans).square() @ member, 1).cpu()
    # The pairs that lean most; the rest stand better.
    nearest = overlap.flatten().argsort(descending=True)[: min(_PAIRS, layout.blocks * (layout.blocks - 1) // 2)]
    worst = 0.0
    for pair in nearest.tolist():
        left, right = ranges[pair // layout.blocks], ranges[pair % layout.blocks]
        at = torch.cat([torch.arange(*left), torch.arange(*right)]).to(spans.device)
        triangle = torch.linalg.qr(p.columns[:, at], mode="r").R
        moved = triangle @ p.matrices[:, at][:, :, at] @ torch.linalg.inv(triangle)
        scalars = moved.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(len(at)).to(moved)
        scale = float((moved - scalars).square().sum((1, 2)).mean() / len(at)) ** 0.5
        lean = 1 - float(torch.linalg.matrix_norm(spans[:, slice(*left)].mT @ spans[:, slice(*right)], 2)) ** 2
        if scale > 2 * unit * len(at) ** 0.5:  # otherwise both act by the same scalars, and nothing can couple
            worst = max(worst, unit / max(lean, 1e-30) / (_OBLIQUE * scale))
    return worst


def linked(residuals: Tensor, threshold: float) -> Tensor:
    """Groups of blocks connected by residuals above `threshold`, ``[blocks]``, numbered by first appearance."""
    above = (residuals > threshold).nonzero().numpy()
    graph = coo_array((np.ones(len(above)), (above[:, 0], above[:, 1])), shape=(len(residuals),) * 2)
    groups = connected_components(graph, directed=False)[1]
    return torch.from_numpy(groups.astype(np.int64))


def components(part: Part, noise: float) -> Layout:
    """The finest grouping of the basis vectors of `part` into blocks between which there is nothing but noise.

    First vectors are linked by single entries of the matrices that stick out of the noise, then blocks by the residual
    between them: many small entries of a coupling add up where single ones do not show.
    """
    layout = Layout(part, torch.arange(part.dim))
    freedom = 2 * len(part.matrices)
    threshold = max(ACCEPT, float(chi2.isf(0.02 / part.dim**2, freedom)) / freedom)
    return settle(layout.merged(linked(layout.residuals(noise), threshold)), noise)


def settle(layout: Layout, noise: float) -> Layout:
    """Merge blocks until between no two of them there is more than noise."""
    while layout.blocks > 1:
        groups = linked(layout.residuals(noise), accepted(2 * len(layout.part.matrices)))
        if int(groups.max()) + 1 == layout.blocks:
            break
        layout = layout.merged(groups)
    return layout


def best_binary(part: Part, noise: float) -> Layout:
    """The cut of the ordered basis vectors into a first and a second lot with the smallest residual over noise."""
    energy = part.matrices.square().sum(0)
    found = _across(energy)
    expected = _across(torch.outer(part.row_energy, part.column_energy))
    at = int(torch.argmin(found / expected)) + 1
    return Layout(part, (torch.arange(part.dim) >= at).long())


def _across(energy: Tensor) -> Tensor:
    """``[d - 1]``: for every g, the sum of the entries with one index below g and the other not."""
    total = energy.cumsum(0).cumsum(1)
    inside = total.diagonal()[:-1]
    return total[:-1, -1] + total[-1, :-1] - 2 * inside


def polished(layout: Layout, noise: float, *, orthogonal: bool, rounds: int = 6) -> Layout:
    """Turn the basis so that the least is left outside the blocks: Gauss-Newton on the off-block entries.

    To first order a change of basis ``1 + Y`` changes the off-block part by ``D_k Y - Y D_k`` with D the blocks; the
    inner least squares problem is solved only as far as the next round needs, which also leaves alone the directions
    along which equivalent blocks may be mixed at no cost.
    """
    outside = layout.outside()
    energy = float((layout.part.matrices * outside).square().sum())
    for _ in range(rounds):
        if float(layout.residuals(noise).max()) <= 0.5:
            break  # below what noise leaves: rounding
        p = layout.part
        inside = p.matrices * (1 - outside)
        change = torch.zeros_like(outside)

        def project(y: Tensor) -> Tensor:
            y = y * outside
            return (y - y.mT) / 2 if orthogonal else y

        for i, step in enumerate(least_squares(inside, inside, -p.matrices * outside, project)):
            change = change + step.change
            if step.gradient_share < 1e-4 or i == 20:
                break
        turn = torch.matrix_exp(change) if orthogonal else change + torch.eye(p.dim).to(change)
        back = turn.mT if orthogonal else torch.linalg.inv(turn)
        turned = Part(p.columns @ turn, back @ p.rows, back @ (p.matrices @ turn))
        left = float((turned.matrices * outside).square().sum())
        if not left < energy:
            break
        layout, gain, energy = Layout(turned, layout.labels), 1 - left / energy, left
        if gain < 0.02:
            break
    return layout


def cut(part: Part, noise: float, *, orthogonal: bool) -> tuple[Layout, float]:
    """Cut `part`, whose basis diagonalises an element of the commutant, into blocks.

    Returns
    -------
    Layout
        Two blocks or more where a cut was accepted, otherwise one.
    float
        Residual over noise of the cut tried last: accepted if there are two blocks or more.
    """
    layout = components(part, noise)
    if layout.blocks == 1:
        layout = polished(best_binary(part, noise), noise, orthogonal=orthogonal)
    worst = float(layout.residuals(noise).max())
    return settle(layout, noise), worst
