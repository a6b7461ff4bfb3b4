"""How noisy the matrices of a representation are, measured by how far they are from respecting products."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.diagnostics import Evaluation
from symdiff.groups import GroupFamily
from symdiff.representations import Representation

ROUNDING = "rounding of the weights to float32"


class Noise(NamedTuple):
    """The level sigma of matrices ``A_k + sigma N(0, 1) / sqrt(m)``, and what it was measured by."""

    level: float
    source: str


@torch.no_grad()
def noise_of(
    family: GroupFamily,
    rho: Representation,
    elements: Shaped[Tensor, "k *element"],
    matrices: Float[Tensor, "k m m"],
) -> Noise:
    """Sigma from the homomorphism defect of held-out elements, or the rounding of the weights where that is larger.

    With independent errors ``E_i = sigma N / sqrt(m)`` in the three matrices of
    ``D = rho(g2 g1) - rho(g2) rho(g1)``, to first order ``D = E_21 - E_2 rho(g1) - rho(g2) E_1`` and

        E|D|_F^2 = sigma^2 (m + |rho(g1)|_F^2 + |rho(g2)|_F^2),

    ``3 sigma^2 m`` for an orthogonal rho. Errors that respect products are not seen, and need not be: rho is then a
    representation, if not the one that was meant, and that one is decomposed.

    Parameters
    ----------
    family, rho
        The group and its representation, in float64.
    elements, matrices
        K elements, each of which is multiplied by the next, and their matrices.
    """
    m, following = matrices.shape[-1], matrices.roll(-1, 0)
    defect = rho(family.compose(elements.roll(-1, 0), elements)) - following @ matrices
    size = matrices.square().sum((-2, -1))
    level = float((defect.square().sum() / (m + size + size.roll(-1)).sum()).sqrt())
    rounding = torch.finfo(torch.float32).eps * float((size.mean() / m).sqrt())
    if level < rounding:
        return Noise(rounding, ROUNDING)
    return Noise(level, f"homomorphism defect of {len(matrices)} pairs of held-out elements")


@torch.no_grad()
def observed_noise(evaluation: Evaluation, matrices: Float[Tensor, "k m m"]) -> Noise:
    """Sigma of rho where the group law is not known, from what rho misses of the held-out observations.

    An error ``E = sigma N / sqrt(m)`` of the matrices moves a latent by ``E|E z|^2 = sigma^2 |z|^2``, so that
    ``sigma^2 = E|h(o') - rho(g) h(o)|^2 / E|h(o)|^2``. What the encoder misses by itself is counted as well: the level
    is an upper end, on the latents that occur.
    """
    latents, actions = evaluation.latents, evaluation.sequences.actions
    before, after = latents[:, :-1].flatten(0, 1), latents[:, 1:].flatten(0, 1)
    missed = after - evaluation.step(actions.flatten(0, 1), before)
    level = float((missed.square().sum() / before.square().sum()).sqrt())
    m = matrices.shape[-1]
    rounding = torch.finfo(torch.float32).eps * float((matrices.square().sum((-2, -1)).mean() / m).sqrt())
    if level < rounding:
        return Noise(rounding, ROUNDING)
    return Noise(level, f"what rho misses of {len(before)} held-out observations, as the group law is not known")
