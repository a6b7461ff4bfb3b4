"""The homomorphism autoencoder as it is published, written plainly: what every faster form of it is held against.

A loop over steps and blocks, networks layer by layer, `torch.matrix_exp` on every block, the encoder once an
observation and on the first one twice, three gradient norms, and Adam parameter by parameter. ``symdiff analyze
--plain`` trains by it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.hae import HAE, Losses, LossNorm
from symdiff.plainly import plainly
from symdiff.representations import MLPRepresentation, Representation


@plainly()
def plain_losses(
    model: HAE, observations: Float[Tensor, "n obs c h w"], actions: Tensor, norm: LossNorm = "squared"
) -> Losses:
    """The same numbers as `symdiff.hae.losses`, term by term (Keurti et al. 2023, Eqs. 2-3)."""
    z = model.encode(observations[:, 0])
    rebuilt, predicted = [_mean_square(observations[:, 0] - model.decode(z))], []
    targets = [model.encode(observations[:, t]) for t in range(observations.shape[1])]
    for t in range(actions.shape[1]):
        parts, start = [], 0
        for block in model.representation.each_block(actions[:, t]):
            stop = start + block.shape[-1]
            parts.append((block @ z[:, start:stop, None])[..., 0])
            start = stop
        z = torch.cat(parts, dim=-1)
        predicted.append(_mean_square(targets[t + 1] - z))
        rebuilt.append(_mean_square(observations[:, t + 1] - model.decode(z)))
    if norm == "l2":
        predicted, rebuilt = ([(term + 1e-12).sqrt() for term in terms] for terms in (predicted, rebuilt))
    return Losses(torch.stack(predicted).mean(), torch.stack(rebuilt).mean())


@plainly()
def plain_penalty(rho: Representation, actions: Tensor) -> Float[Tensor, ""]:
    """The same number as ``rho.penalty``; ``rho(g2 g1)``, ``rho(g2)`` and ``rho(g1)`` of a network block by block."""
    if not isinstance(rho, MLPRepresentation) or rho.compose is None or len(actions) < 2:
        return rho.penalty(actions)
    g2 = actions.roll(1, dims=0)
    blocks = (rho.each_block(g) for g in (rho.compose(g2, actions), g2, actions))
    defects = [product - second @ first for product, second, first in zip(*blocks, strict=True)]
    return torch.stack([defect.square().sum((-2, -1)).mean() for defect in defects]).sum()


def plain_clip(model: HAE, most: float) -> None:
    """Scale the gradient to a norm of at most `most`, from the norms of encoder, representation and decoder."""
    parts = (model.encoder, model.representation, model.decoder)
    gradients = [[p.grad for p in part.parameters() if p.grad is not None] for part in parts]
    norms = [torch.stack([g.norm() for g in part]).norm() for part in gradients if part]
    scale = (most / (torch.stack(norms).norm() + 1e-6)).clamp_max(1.0)
    for part in gradients:
        for g in part:
            g.mul_(scale)


def _mean_square(difference: Tensor) -> Float[Tensor, " n"]:
    mean: Tensor = difference.square().flatten(1).mean(-1)
    return mean
