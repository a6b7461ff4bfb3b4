"""The figures of a trained model, each on held-out sequences, in the network's own basis.

The networks' own code reports figures of these names; where its definition is not known to be ours, ours is what is
written here.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from symdiff.decomposition import decompose
from symdiff.errors import SymdiffError
from symdiff.hae import HAE
from symdiff.objective import cross_entropy
from symdiff.representations import Representation

HORIZONS = (1, 8, 16, 64)
ELEMENTS = 64
IMAGES = 256


@torch.no_grad()
def figures(model: HAE, observations: Tensor, actions: Tensor, axes: Tensor) -> dict[str, Any]:
    """Figures of a model of a world whose group is a torus.

    Parameters
    ----------
    observations, actions
        Held out: ``[n, 65, C, H, W]`` in [0, 1], and ``[n, 64, A]``.
    axes
        ``[A, A]``: actions are ``axes`` times displacements along the circles.

    Returns
    -------
    dict
        * ``homomorphism``: the root of ``E|rho(g2 + g1) - rho(g2) rho(g1)|_F^2 / E|rho(g2) rho(g1) - I|_F^2`` over the
          first two actions of every sequence, the sum being a vector of R^A;
        * ``periodicity``: the same with the sum taken on the torus, every angle in (-pi, pi], which also asks that
          whole turns are the identity; no training pair says so directly;
        * ``identity``: ``|rho(0) - I|_F``; ``inverse``: the root of ``E|rho(-g) rho(g) - I|_F^2``;
        * ``commutator``: the root of ``E|rho(g2) rho(g1) - rho(g1) rho(g2)|_F^2``;
        * ``orthogonality``: the root of ``E|rho(g)^T rho(g) - I|_F^2``;
        * ``r2``: ``1 - E|h(o_2) - rho(g_1) h(o_1)|^2 / E|h(o_2) - mean h(o_2)|^2``;
        * ``bce``: `cross_entropy` of ``d(h(o_1))``, d giving logits, and ``bce_N`` of
          ``d(rho(g_N) ... rho(g_1) h(o_1))``;
        * ``singular``: smallest over largest singular value of the latents, which a collapse sends to 0.
    """
    rho = model.representation
    latents = model.encode(observations[:, :2])
    paths = rho.rollout(actions, latents[:, 0])
    after, moved = latents[:, 1], paths[:, 1]
    residual = (after - moved).square().sum() / (after - after.mean(0)).square().sum()
    g1, g2 = actions[:, 0], actions[:, 1]
    angles = (g1 + g2) @ torch.linalg.inv(axes).T
    # Half a turn is its own inverse; which of the two it is written as must not hang on rounding.
    wrapped = (torch.remainder(angles + math.pi - 1e-3, 2 * math.pi) - math.pi + 1e-3) @ axes.T
    r1, r2, eye = rho(g1), rho(g2), torch.eye(rho.dimension)
    product = r2 @ r1
    action = _root(product - eye)
    found: dict[str, Any] = {
        "homomorphism": _root(rho(g1 + g2) - product) / action,
        "periodicity": _root(rho(wrapped) - product) / action,
        "identity": float((rho(torch.zeros_like(g1[:1])) - eye).norm()),
        "inverse": _root(rho(-g1) @ r1 - eye),
        "commutator": _root(product - r1 @ r2),
        "orthogonality": _root(r1.mT @ r1 - eye),
        "r2": 1 - float(residual),
        "bce": float(cross_entropy(model.decoder.logits(latents[:IMAGES, 0]), observations[:IMAGES, 0]).mean()),
    }
    for n in HORIZONS:
        images = model.decoder.logits(paths[:IMAGES, n])
        found[f"bce_{n}"] = float(cross_entropy(images, observations[:IMAGES, n]).mean())
    singular = torch.linalg.svdvals(after)
    return found | {"singular": float(singular[-1] / singular[0])}


@torch.no_grad()
def blocks(representation: Representation, actions: Tensor) -> str:
    """What `symdiff.decompose` finds of the matrices of 64 actions, as blocks or as the verdict.

    Blocks are written as ``2C + 2C``: dimension and type (R, C or H), one for every copy.

    `representation` is in float64; the noise of the matrices is estimated, not given.
    """
    try:
        answer = decompose(representation(actions[:ELEMENTS].double()), seed=0)
    except SymdiffError as error:
        return error.message
    if answer.verdict != "decomposable":
        return str(answer.verdict)
    return " + ".join(f"{b.dim}{b.type}" for b in answer.blocks for _ in range(b.multiplicity))


def _root(matrices: Tensor) -> float:
    return float(matrices.square().sum((-2, -1)).mean().sqrt())
