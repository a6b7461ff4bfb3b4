"""Permuted elements: does rho use the element that acted, or would another one do as well?

Elements are exchanged between trajectories *at the same time*, so that what the noise level alone explains does not
count: a rho that sees only the scale is as good after the exchange as before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics.evaluation import Evaluation

GROUP = 24
"""Steps exchanged with one another at most: the cost is quadratic in it."""

GROUPS = 32

TIES = 1e-9
"""Relative rounding of the statistic: a rho blind to what was exchanged ties with every permutation."""


class PermutationTest(NamedTuple):
    """What is observed, the same under every permutation, and the one-sided p-value that small is better."""

    observed: float
    null: Float[Tensor, " permutations"]

    @property
    def p_value(self) -> float:
        """``(1 + #{null <= observed}) / (1 + B)``: never 0. Equal up to rounding counts as equal."""
        ties = self.observed + TIES * abs(self.observed)
        return (1 + int((self.null <= ties).sum())) / (1 + len(self.null))


def permutation_test(table: Float[Tensor, "groups n n"], permutations: int, seed: int = 0) -> PermutationTest:
    """The test of a table whose entry (i, j) is the error of observation i with the element of observation j.

    Observations are exchanged within each group only. The statistic is the mean of the diagonal.
    """
    groups, n, _ = table.shape
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(permutations, groups, n, generator=generator).argsort(-1).to(table.device)
    exchanged = table.expand(permutations, -1, -1, -1).gather(-1, order[..., None]).squeeze(-1)
    return PermutationTest(float(table.diagonal(dim1=1, dim2=2).mean()), exchanged.mean((1, 2)))


def permuted_elements(evaluation: Evaluation) -> tuple[PermutationTest, float] | None:
    """The test on the held-out steps, and the mean squared movement of the same steps.

    ``None`` if no time has two held-out steps.
    """
    sequences, latents = evaluation.sequences, evaluation.latents
    before, after = latents[:, :-1].flatten(0, 1), latents[:, 1:].flatten(0, 1)
    groups = _same_time(sequences.times[:, :-1].flatten())
    if groups is None:
        return None
    actions = sequences.actions.flatten(0, 1)
    table = torch.stack([_exchange(evaluation, actions[index], before[index], after[index]) for index in groups])
    movement = (after - before)[groups.flatten()].square().sum(-1).mean()
    return permutation_test(table, evaluation.bootstrap, evaluation.seed), float(movement)


def _exchange(
    evaluation: Evaluation,
    actions: Shaped[Tensor, "n *element"],
    before: Float[Tensor, "n m"],
    after: Float[Tensor, "n m"],
) -> Float[Tensor, "n n"]:
    """``|h(o'_i) - rho(g_j) h(o_i)|^2``."""
    matrices = evaluation.representation(actions)
    predicted = torch.einsum("jab,ib->ija", matrices, before)
    return (after[:, None] - predicted).square().sum(-1)


def _same_time(times: Tensor) -> Tensor | None:
    """Indices ``[groups, n]`` of steps at the same time, the same number n >= 2 of them in every group."""
    _, index, counts = torch.unique(times, return_inverse=True, return_counts=True)
    if int(counts.max()) < 2:
        return None
    # Half of the times, or those with two steps at least: a few rare times must not make every group small.
    size = min(max(int(counts.double().quantile(0.5)), 2), GROUP)
    members = [torch.nonzero(index == i).flatten()[:size] for i in range(len(counts)) if int(counts[i]) >= size]
    chosen = torch.linspace(0, len(members) - 1, min(len(members), GROUPS)).round().long()
    return torch.stack([members[i] for i in chosen])
