"""Whether an indecomposable block is irreducible; if not, the flag that shows it and what keeps it from splitting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.decomposition.composition import composition_series, errors_of, radical_flag
from symdiff.decomposition.cuts import REJECT
from symdiff.decomposition.fitting import EntryNoise, sylvester_fit
from symdiff.decomposition.homomorphisms import Unresolved
from symdiff.decomposition.invariant import acceptable, residual_ratio
from symdiff.decomposition.sylvester import commutators


@dataclass(frozen=True)
class Extension:
    """Whether an indecomposable block is irreducible, with the evidence.

    Attributes
    ----------
    verdict
        ``irreducible``, ``reducible-indecomposable``, or ``unresolved`` at this noise.
    flag
        Dimensions of the radical filtration, smallest first and ending in d: with J the radical of the enveloping
        algebra, ``V ⊃ JV ⊃ J²V ⊃ …``; ``(n, n + 1)`` for the matrices ``[[a I, v], [0, 1]]``. ``None`` unless
        reducible.
    basis
        ``[d, d]`` orthogonal: the first ``flag[0]`` columns span the smallest subspace of the flag, and so on. The
        identity unless reducible.
    obstruction
        The smallest `complement_residual` over the steps of the flag. ``None`` unless reducible.
    evidence
        One sentence.
    """

    verdict: Literal["irreducible", "reducible-indecomposable", "unresolved"]
    flag: tuple[int, ...] | None
    basis: Tensor
    obstruction: float | None
    evidence: str


def extension(
    matrices: Float[Tensor, "k d d"],
    rows: Float[Tensor, " d"],
    columns: Float[Tensor, " d"],
    noise: float,
    generator: torch.Generator,
) -> Extension:
    """Whether an indecomposable set of matrices is irreducible.

    It is if no subspace is invariant. One is searched for and refined until what the matrices leave outside it is what
    noise leaves; or all are excluded by one bound (see `Balance.exclusion`). Where one is found, the same is asked of
    the subspace and of the quotient, and the radical of the whole is the intersection of the kernels of its
    homomorphisms to the irreducible constituents (Curtis and Reiner, section 25).

    Parameters
    ----------
    matrices
        ``[K, d, d]``, float64. If they decompose, the answer is not meaningful.
    rows, columns, noise
        Entry (i, j) of each matrix carries noise of standard deviation ``noise * sqrt(rows[i] * columns[j])``; `noise`
        is positive, rounding being noise.
    generator
        Draws the starts of iterations.

    Returns
    -------
    Extension
        ``unresolved`` where noise could explain what would decide.
    """
    count, d = matrices.shape[:2]
    identity = torch.eye(d).to(matrices)
    centred = matrices - identity * matrices.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    if count > d * d:  # every residual is a sum of squares over k, which an orthogonal mixing does not change
        centred = torch.linalg.qr(centred.flatten(1), mode="r").R.view(-1, d, d)
    given = EntryNoise(noise, rows, columns, count)
    try:
        limit = float(centred.square().sum()) / (REJECT * d * d)
        series = composition_series(centred, given, limit, generator)
        if len(series.leaves) == 1:
            return Extension("irreducible", None, identity, None, series.evidence)
        flag, basis = radical_flag(centred, given, series, limit)
        return _reducible(centred, given, flag, basis)
    except Unresolved as reason:
        return Extension("unresolved", None, identity, None, str(reason))


def complement_residual(
    b: Float[Tensor, "k p p"], d: Float[Tensor, "k q q"], c: Float[Tensor, "k p q"], *, ridge: float = 0.0
) -> float:
    """How far an invariant subspace is from having an invariant complement.

    In a basis that starts with the subspace the matrices are ``[[B, C], [0, D]]``, and a complement is ``[Y; I]`` with
    ``B_k Y - Y D_k + C_k = 0``. Returned is r in [0, 1],

        r² = min_Y Σ‖B_k Y - Y D_k + C_k‖² / Σ‖C_k‖²:

    0 if there is a complement, 1 if no Y removes any of C. With noise of standard deviation s per entry a true
    complement leaves about ``r² = K p q s² / Σ‖C_k‖²``: that is what r² is to be judged against.

    Parameters
    ----------
    b, d, c
        The blocks, ``[K, p, p]``, ``[K, q, q]`` and ``[K, p, q]``.
    ridge
        Adds ``ridge ‖Y‖²`` to what is minimised: with noise, ``K s² (p + q)`` keeps Y from growing until what noise
        makes of it, where B and D alone would allow any Y, takes away some of C.

    Returns
    -------
    float
        r; 0 where C vanishes.
    """
    size = float(c.square().sum())
    if size == 0:
        return 0.0
    left = float((commutators(b, d, sylvester_fit(b, d, c, ridge)) + c).square().sum())
    return min(1.0, math.sqrt(left / size))


def _reducible(matrices: Tensor, noise: EntryNoise, flag: tuple[int, ...], basis: Tensor) -> Extension:
    ratios = {p: residual_ratio(matrices, basis, p, noise) for p in flag[:-1]}
    worst = max(ratios.values())
    if any(ratio > acceptable(noise.count, basis[:, :p]) for p, ratio in ratios.items()):
        raise Unresolved(f"the flag {flag} leaves {worst:.3g} times the residual of noise")
    turned = basis.T @ matrices @ basis
    for p in flag[:-1]:
        _refuse_hidden_coupling(turned, basis, p, noise)
    obstructions, margins = [], []
    for p, end in pairwise(flag):
        b, c, d = turned[:, :p, :p], turned[:, :p, p:end], turned[:, p:end, p:end]
        below, above = basis[:, :p], basis[:, p:end]
        # Where B and D are equal up to noise, an error of the subspace adds multiples of C to them, and these would
        # pass for a difference of B and D that explains C.
        added = errors_of(turned[:, :end, :end], p, noise, basis[:, :end], math.inf)
        ridge = noise.restricted(below, added[0]).of_map(noise.restricted(above, added[1]))
        obstructions.append(complement_residual(b, d, c, ridge=ridge))
        kept = obstructions[-1] ** 2 * float(c.square().sum())
        margins.append(kept / noise.energy(below, above))
    if min(margins) < REJECT:
        raise Unresolved(
            f"what keeps the flag {flag} from splitting is {min(margins):.3g} times noise, less than {REJECT:g}"
        )
    return Extension(
        "reducible-indecomposable",
        flag,
        basis,
        min(obstructions),
        f"invariant subspaces of dimension {', '.join(map(str, flag[:-1]))} leave {worst:.2g} times the residual of "
        f"noise, and the best complements {min(margins):.2g} times",
    )


def _refuse_hidden_coupling(turned: Tensor, basis: Tensor, p: int, noise: EntryNoise) -> None:
    """Raise `Unresolved` where a coupling as small as noise would make irreducible what looks like an extension.

    The upper block has to stand out from noise as the lower one does not. And a scaling turns a lower block of size l
    and an upper one of size c into two of size √(lc): an l of twice the noise is not seen, and must not make √(lc) as
    large as the blocks on the diagonal; or else, as these vanish too for ``[[1, t], [0, 1]]``, c has to exceed it by
    more than a basis of condition 5 makes of two equal blocks.
    """
    inside, outside = basis[:, :p], basis[:, p:]
    hidden = math.sqrt(noise.energy(outside, inside))
    upper = float(turned[:, :p, p:].norm())
    diagonal = float(turned[:, :p, :p].square().sum() + turned[:, p:, p:].square().sum())
    if 16 * hidden > upper or (8 * hidden * upper > diagonal and 64 * hidden > upper):
        raise Unresolved(f"a coupling that noise hides could join the subspace of dimension {p} to the rest")
