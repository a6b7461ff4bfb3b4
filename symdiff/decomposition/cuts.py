"""Cuts of a space into blocks, judged by their residual: what the matrices leave outside the blocks, over noise.

A cut is accepted because its residual is that of noise, never because of a gap between eigenvalues. One generic element
of the commutant proposes the blocks (Murota, Kanno, Kojima and Kojima 2010; Maehara and Murota 2011); the residual test
is what makes it sound under noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import chdtri  # what scipy.stats.chi2.isf is, which is slow to import
from torch import Tensor

from symdiff.decomposition.sylvester import Part, least_squares

# Residual over expected noise, in squares: up to the first a residual is noise, from the second on it is not.
ACCEPT, REJECT = 4.0, 16.0
# The share of a coupling that may be left unexplained; see `unexplained`.
EXPLAINED = 0.03


@cache
def accepted(freedom: int) -> float:
    """The largest residual over noise that still counts as noise, with `freedom` squares summed in it.

    Few squares scatter: a threshold that one in a million true cuts exceeds.
    """
    return max(ACCEPT, float(chdtri(freedom, 1e-6)) / freedom)


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
        return [
            Part(p.columns[:, i:j], p.rows[i:j], p.matrices[:, i:j, i:j].contiguous(), p.self_adjoint)
            for i, j in self.ranges()
        ]

    def merged(self, groups: Tensor) -> Layout:
        """The layout with blocks of one group made one block; `groups` is ``[blocks]``."""
        labels = groups[self.labels]
        order = torch.argsort(labels, stable=True)
        at, p = order.to(self.part.columns.device), self.part
        return Layout(
            replace(p, columns=p.columns[:, at], rows=p.rows[at], matrices=p.matrices[:, at][:, :, at]), labels[order]
        )

    def residuals(self, noise: float) -> Tensor:
        """``[blocks, blocks]`` (on the CPU): residual over noise between each two blocks, 0 on the diagonal."""
        found, expected = self.energies(noise)
        return ((found + found.mT) / (expected + expected.mT)).fill_diagonal_(0).cpu()

    def energies(self, noise: float) -> tuple[Tensor, Tensor]:
        """``[blocks, blocks]`` twice: squares of the entries from one block to another, and what noise leaves there."""
        p = self.part
        member = torch.nn.functional.one_hot(self.labels).to(p.matrices)
        found = member.mT @ p.matrices.square().sum(0) @ member
        unit = len(p.matrices) * noise**2 / p.columns.shape[0]
        return found, unit * torch.outer(p.row_energy @ member, p.column_energy @ member)

    def outside(self) -> Tensor:
        """``[d, d]``, 1 outside the blocks."""
        labels = self.labels.to(self.part.columns.device)
        return (labels[:, None] != labels).to(self.part.columns)


def assembled(matrices: Tensor, parts: list[Part]) -> Layout:
    """The parts side by side as blocks, with the given ``[K, m, m]`` matrices in their joint basis."""
    columns, rows = torch.cat([p.columns for p in parts], 1), torch.cat([p.rows for p in parts])
    labels = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([p.dim for p in parts]))
    adjoint = all(p.self_adjoint for p in parts)
    return Layout(Part.of(matrices, columns, rows, self_adjoint=adjoint), labels)


def unexplained(layout: Layout, noise: float) -> float:
    """The largest share of a coupling between two blocks that leaning one against the other does not explain.

    A block that leans against the others hides a coupling to them: with W the block made orthogonal to all others, C
    the coupling of W to another block, and B and D what that block and W do, leaning by Y leaves ``B Y - Y D + C``. A
    true cut explains C by the difference of B and D. Without a true cut that difference may be noise; blown up by a
    large Y it takes some of C away, and the rest passes for what noise leaves of so oblique a cut. So where what is
    left would stand out of the noise of W, it has to be small beside C.

    Returns
    -------
    float
        Share of squares; 0 where nothing that is left stands out.
    """
    p = layout.part
    triangle = torch.linalg.qr(p.columns, mode="r").R
    back = torch.linalg.inv(triangle)
    member = torch.nn.functional.one_hot(layout.labels).to(triangle)
    unit = len(p.matrices) * noise**2 / p.columns.shape[0]
    rows = p.row_energy @ member
    worst = 0.0
    for label, (i, j) in enumerate(layout.ranges()):
        # The duals of a block span what is orthogonal to all others.
        w = torch.linalg.qr(back[i:j].mT).Q
        image = triangle @ (p.matrices @ (back @ w))
        couplings = (back @ (image - w @ (w.mT @ image))).square().sum((0, 2)) @ member
        at = torch.linalg.inv(w.mT @ triangle[:, i:j])
        left = (p.matrices[:, :, i:j] @ at).square().sum((0, 2)) @ member
        standing = left >= REJECT * unit * rows * (j - i)
        # Only the blocks it leans against: noise that the lean blows up is left between it and all others, too.
        lean = ((triangle.square().sum(0)[:, None] * (back @ w).square()).sum(1)) @ member
        lean[label] = 0
        standing &= lean >= 0.1 * lean.max()
        standing[label] = False
        if bool(standing.any()):
            worst = max(worst, float((left / couplings)[standing].max()))
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
    threshold = max(ACCEPT, float(chdtri(freedom, 0.02 / part.dim**2)) / freedom)
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


def polished(layout: Layout, noise: float, *, orthogonal: bool, enough: float | None = None, rounds: int = 6) -> Layout:
    """Turn the basis so that the least is left outside the blocks: Gauss-Newton on the off-block entries.

    To first order a change of basis ``1 + Y`` changes the off-block part by ``D_k Y - Y D_k`` with D the blocks; the
    inner least squares problem is solved only as far as the next round needs. Directions along which equivalent blocks
    mix at no cost beyond noise are held back, or the noise between them would be turned into the blocks.

    Parameters
    ----------
    enough
        The level, by default `noise`, below which what is left is not worth a further round.
    """
    outside = layout.outside()
    m = layout.part.columns.shape[0]
    share = float(layout.part.row_energy.mean() * layout.part.column_energy.mean())
    largest = max(j - i for i, j in layout.ranges())
    ridge = REJECT * len(layout.part.matrices) * 2 * largest * share * noise**2 / m
    energy = float((layout.part.matrices * outside).square().sum())
    for _ in range(rounds):
        if float(layout.residuals(noise if enough is None else enough).max()) <= 0.5:
            break
        p = layout.part
        inside = p.matrices * (1 - outside)
        change = torch.zeros_like(outside)

        def project(y: Tensor) -> Tensor:
            y = y * outside
            return (y - y.mT) / 2 if orthogonal else y

        for i, step in enumerate(least_squares(inside, inside, -p.matrices * outside, project, ridge)):
            change = change + step.change
            if step.gradient_share < 1e-4 or i == 20:
                break
        turn = torch.matrix_exp(change) if orthogonal else change + torch.eye(p.dim).to(change)
        back = turn.mT if orthogonal else torch.linalg.inv(turn)
        turned = p.turned(turn, back)
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
