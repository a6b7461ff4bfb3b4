"""Closed-form starts that respect the manifold.

Latents are principal components ``p x`` of the states, in units of their spread. What each manifold can do for them:

* lower-triangular and GL+: a block holds ``(1, p_1 x, ..., p_{n-1} x)``, on which ``[[1, 0], [p v, a]]`` acts without
  any error; its logarithm is linear in that of the element, so that d rho is a homomorphism from the start;
* SE(n): a block holds ``(p_1 x, ..., p_n x, 1)`` and ``[[1, p v], [0, 1]]`` moves it, which is exact where a = 1;
* rotations and scales: ``rho = a``, the best blind one;
* SO(n): ``rho = 1``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from symdiff.affine_steps import components
from symdiff.hae import Encoder
from symdiff.trajectories import Sequences
from symdiff_geomstats.manifolds import Manifold, RigidMotions, ScaledRotations
from symdiff_geomstats.representations import ManifoldLie


@torch.no_grad()
def start(encoder: Encoder, rho: ManifoldLie | None, manifold: Manifold, sequences: Sequences) -> None:
    """Set the encoder, and d rho if there is one, to the closed form; d rho of a network starts near 0 anyway."""
    size = manifold.size
    blocks = encoder.linear.out_features // size
    last = isinstance(manifold, RigidMotions)
    moving = torch.ones(blocks, size, dtype=torch.bool)
    if manifold.constants:
        moving[:, -1 if last else 0] = False
    parts = components(sequences, int(moving.sum()))
    scale = parts.variances.mean().clamp_min(1e-12).rsqrt()
    weight, bias = torch.zeros_like(encoder.linear.weight), torch.zeros_like(encoder.linear.bias)
    rows = moving.flatten().nonzero().squeeze(1)[: len(parts.directions)].to(weight.device)
    weight[rows] = parts.directions * scale
    if manifold.constants:
        bias[(~moving.flatten()).to(bias.device)] = 1
    else:
        # Nothing here follows a translation: latents about 0 ask for the least.
        bias[rows] = -(parts.directions @ parts.mean) * scale
    encoder.linear.weight.copy_(weight)
    encoder.linear.bias.copy_(bias)
    if rho is not None:
        images = _images(manifold, weight.unflatten(0, (blocks, size)))
        basis = manifold.algebra.flatten(1).to(images)
        rho.generators[0].copy_(images.flatten(-2) @ (basis / basis.square().sum(1, keepdim=True)).T)


def _images(manifold: Manifold, rows: Tensor) -> Tensor:
    """``d rho`` of (1, 0) and of the translations as matrices, ``[k, d + 1, size, size]``."""
    blocks, size, pixels = rows.shape
    images = rows.new_zeros(blocks, pixels + 1, size, size)
    if isinstance(manifold, RigidMotions):
        images[:, 1:, :-1, -1] = rows[:, :-1].mT
    elif isinstance(manifold, ScaledRotations):
        images[:, 0].diagonal(dim1=-2, dim2=-1).fill_(1)
    elif manifold.follows_translations:
        images[:, 0].diagonal(dim1=-2, dim2=-1)[:, 1:] = 1
        images[:, 1:, 1:, 0] = rows[:, 1:].mT
    return images
