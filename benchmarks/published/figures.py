"""The figures of a trained autoencoder on held-out sequences of its world.

The published code reports figures of these names; where its definition is not known to be ours, ours is what is
written here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.published.laws import TrueLaw
from symdiff import HAE, Decomposition, Representation, decompose
from symdiff.errors import SymdiffError
from symdiff.objective import cross_entropy
from symdiff.result import Result
from symdiff.worlds.circles import REACH, UNIT

HORIZONS = (1, 8, 16, 64)
ELEMENTS = 64
IMAGES = 256


@torch.no_grad()
def figures(model: HAE, observations: Tensor, actions: Tensor, law: TrueLaw) -> dict[str, Any]:
    """Figures of a model.

    Parameters
    ----------
    observations, actions
        Held out: ``[n, 65, C, H, W]`` in [0, 1], and ``[n, 64, A]``; in the dtype of the model.
    law
        How the actions compose.

    Returns
    -------
    dict
        * ``homomorphism``: the root of ``E|rho(g2 g1) - rho(g2) rho(g1)|_F^2 / E|rho(g2) rho(g1) - I|_F^2`` over the
          first two actions of every sequence, where ``g2 g1`` is such as was trained on;
        * ``identity``: ``|rho(e) - I|_F``; ``inverse``: the root of ``E|rho(g^-1) rho(g) - I|_F^2``;
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
    r1, r2, eye = rho(g1), rho(g2), torch.eye(rho.dimension).to(latents)
    product = r2 @ r1
    composed = law.compose(g2, g1)
    known = law.within_reach(composed)
    found: dict[str, Any] = {
        "homomorphism": _root(rho(composed[known]) - product[known]) / _root(product[known] - eye),
        "identity": float((rho(law.compose(law.inverse(g1[:1]), g1[:1])) - eye).norm()),
        "inverse": _root(rho(law.inverse(g1)) @ r1 - eye),
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


def constant_bce(observations: Tensor) -> float:
    """`cross_entropy` of the best single image, the mean, decoded for every observation ``[n, C, H, W]``."""
    mean = observations.mean(0).clamp(1e-6, 1 - 1e-6)
    return float(cross_entropy(mean.logit().expand_as(observations), observations).mean())


def blocks(result: Result) -> str:
    """What the analysis found, as ``2C + 2C``: dimension and type (R, C or H), one for every copy; else its verdict."""
    found = result.decomposition
    if found.get("verdict") not in ("decomposable", "irreducible"):
        return str(found.get("verdict", found.get("absent")))
    return " + ".join(f"{b['dim']}{b['type']}" for b in found["blocks"] for _ in range(b["multiplicity"]))


@torch.no_grad()
def decomposed(rho: Representation, actions: Tensor) -> Decomposition | str:
    """What `symdiff.decompose` finds of the matrices of 64 actions, their noise estimated; or why it found nothing."""
    try:
        return decompose(rho(actions[:ELEMENTS]), seed=0)
    except SymdiffError as error:
        return error.message


@torch.no_grad()
def responses(rho: Representation, found: Decomposition, axes: Tensor, circle: int = 0) -> list[float]:
    """How far each block moves as one circle turns: the root of ``E|rho_block(g) - I|_F^2``, g of 1 to 10 pixels."""
    turns = torch.zeros(REACH, len(axes)).to(axes)
    turns[:, circle] = UNIT * torch.arange(1, REACH + 1)
    basis = found.basis.to(axes)
    matrices = torch.linalg.solve(basis, rho(turns @ axes.T) @ basis)
    answer = []
    for block in found.blocks:
        for start, stop in block.columns:
            part = matrices[:, start:stop, start:stop]
            answer.append(_root(part - torch.eye(stop - start).to(part)))
    return answer


def _root(matrices: Tensor) -> float:
    return float(matrices.square().sum((-2, -1)).mean().sqrt())
