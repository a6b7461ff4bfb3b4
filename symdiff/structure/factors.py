"""Discovered blocks against given factors: does each factor live in a block of its own?

Each factor is an angle. It is predicted from the coordinates of each block by ridge regression of ``cos w angle`` and
``sin w angle`` (w = 1, 2, 3: a block may turn at a multiple of the angle), fitted on one half of the held-out
sequences and judged on the other, both ways round; the best R^2 over w is that of block and factor, and the block with
the highest R^2 is the factor's.

``factor_independence`` is the modularity of Ridgeway and Mozer, "Learning deep disentangled embeddings with the
F-statistic loss", NeurIPS 2018, with this R^2 in the place of mutual information: for each block, 1 less the squares of
its R^2 with all factors but its first, as a share of what they would be at most; its mean over the blocks that hold a
factor. 1 if every block is about one factor.

``factor_ari`` is the adjusted Rand index (Hubert and Arabie, "Comparing partitions", Journal of Classification 1985) of
two partitions of the coordinates of the latents: by the block that each belongs to, and by the factor from which it is
predicted best (by the same regression, the other way round). 1 if they are the same, 0 on average at random, and 0
where there is one block only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from symdiff.decomposition import Block
from symdiff.diagnostics import Evaluation
from symdiff.diagnostics.factors import Known, known_factors, not_angles, waves
from symdiff.diagnostics.intervals import cautions, few_units
from symdiff.result import Estimate

HARMONICS = 3
RIDGE = 1e-6
"""Of the ridge, relative to the variance of what is regressed on."""

HOLDS = 0.05
"""R^2 from which on a block holds a factor."""

STILL = 1e-6
"""Share of the latents' variance below which a coordinate does not move and belongs to no factor."""


class Factors(NamedTuple):
    """The figures, and ``blocks[f][b]``, the held-out R^2 of factor f from block b, with the block of each factor."""

    estimates: dict[str, Estimate]
    document: dict[str, Any] | None


@torch.no_grad()
def against_factors(evaluation: Evaluation, basis: Float[Tensor, "m m"], blocks: tuple[Block, ...]) -> Factors:
    """How the blocks of a decomposition go with the factors of the file; nothing where there are none."""
    known = known_factors(evaluation)
    if known is None:
        return Factors({}, None)
    units = len(torch.unique(known.sequence))
    straight = not_angles(known.factors)
    if straight or units < 2:
        reason = f"{straight}: factors are taken as angles, in radians" if straight else "one held-out sequence"
        absent = Estimate(value=None, n=units, better="higher", caution=reason)
        return Factors(dict.fromkeys(("factor_independence", "factor_ari"), absent), None)
    coordinates = torch.linalg.solve(basis.to(known.latents), known.latents.T).T.double()
    table = r2_of_blocks(coordinates, known, blocks)
    caution = few_units(units, "sequences")
    one = "one block: nothing was told apart" if len(blocks) == 1 else None
    single = "one factor: there is none to tell it from" if known.factors.shape[1] == 1 else None
    found = {"factor_independence": independence(table), "factor_ari": ari(coordinates, known, blocks)}
    estimates = {
        name: Estimate(value=value, n=units, better="higher", caution=cautions(single, one, caution))
        for name, value in found.items()
    }
    own = table.argmax(1)
    document = {
        "r2": [[round(value, 6) for value in row] for row in table.tolist()],
        "block": [int(b) + 1 if float(table[f, b]) > HOLDS else None for f, b in enumerate(own)],
    }
    return Factors(estimates, document)


def r2_of_blocks(
    coordinates: Float[Tensor, "n m"], known: Known, blocks: tuple[Block, ...]
) -> Float[Tensor, "factors blocks"]:
    """Held-out R^2 of every factor from the coordinates of every block."""
    rows = []
    for factor in known.factors.double().T:
        row = []
        for block in blocks:
            part = coordinates[:, columns_of(block)]
            targets = waves(factor, HARMONICS).split(2, dim=1)
            row.append(max(held_out_r2(part, target, known.sequence) for target in targets))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64).clamp(min=0)


def independence(table: Float[Tensor, "factors blocks"]) -> float | None:
    """Modularity of the blocks that hold a factor; ``None`` where there is one factor, or no block holds any."""
    factors = len(table)
    holding = table[:, table.amax(0) > HOLDS].T
    if factors < 2 or len(holding) == 0:
        return None
    top = holding.amax(1)
    rest = holding.square().sum(1) - top.square()
    return float((1 - rest / (top.square() * (factors - 1))).mean())


def ari(coordinates: Float[Tensor, "n m"], known: Known, blocks: tuple[Block, ...]) -> float | None:
    """Adjusted Rand index of the coordinates by block and by factor; ``None`` where no two coordinates move.

    Coordinates that follow no factor are a class of their own.
    """
    from sklearn.metrics import adjusted_rand_score

    variance = coordinates.var(0, correction=0)
    moving = variance > STILL * variance.sum()
    block_of = {column: index for index, block in enumerate(blocks) for column in columns_of(block)}
    found, true = [], []
    for column in sorted(block_of):
        if not bool(moving[column]):
            continue
        target = coordinates[:, column : column + 1]
        scores = [held_out_r2(waves(f, HARMONICS), target, known.sequence) for f in known.factors.double().T]
        found.append(block_of[column])
        true.append(scores.index(max(scores)) if max(scores) > HOLDS else len(scores))
    if len(found) < 2 or known.factors.shape[1] < 2:
        return None
    # One block tells no factors apart, even if by accident all of its coordinates follow the same one.
    return float(adjusted_rand_score(true, found)) if len(set(found)) > 1 else 0.0


def held_out_r2(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"], sequence: Int[Tensor, " n"]) -> float:
    """R^2 of y from x by ridge regression, each half of the sequences predicted from the other."""
    _, number = torch.unique(sequence, return_inverse=True)
    missed = spread = 0.0
    for half in (0, 1):
        fit, judge = number % 2 != half, number % 2 == half
        centre, mean = x[fit].mean(0), y[fit].mean(0)
        moved = x[fit] - centre
        gram = moved.T @ moved
        gram += (RIDGE * gram.diagonal().mean()).clamp_min(torch.finfo(x.dtype).tiny) * torch.eye(len(gram)).to(gram)
        weights = torch.linalg.lstsq(gram, moved.T @ (y[fit] - mean), driver="gelsd").solution
        missed += float((y[judge] - mean - (x[judge] - centre) @ weights).square().sum())
        spread += float((y[judge] - mean).square().sum())
    return 1 - missed / spread if spread > 0 else 0.0


def columns_of(block: Block) -> list[int]:
    """The columns of the basis that span a block, all of its copies."""
    return [column for start, stop in block.columns for column in range(start, stop)]
