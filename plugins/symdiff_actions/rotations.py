"""Rotations of space as vectors: axis times angle. Products go through unit quaternions, which have no cut."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def within_half_a_turn(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """The same rotation with an angle of at most pi."""
    angle = v.norm(dim=-1, keepdim=True)
    turns = (angle.detach() / (2 * math.pi)).round()
    shortened: Tensor = v * (1 - 2 * math.pi * turns / angle.clamp_min(1e-30))
    return shortened


def quaternion(v: Float[Tensor, "*batch 3"]) -> tuple[Float[Tensor, "*batch 1"], Float[Tensor, "*batch 3"]]:
    """Real and imaginary part: ``(cos(t/2), sin(t/2) v/t)`` for a vector of length t (Rodrigues 1840)."""
    angle = v.norm(dim=-1, keepdim=True)
    return (angle / 2).cos(), v * torch.sinc(angle / (2 * math.pi)) / 2


def rotation_vector(real: Float[Tensor, "*batch 1"], imaginary: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle of unit quaternions, the angle at most pi."""
    sign = torch.where(real < 0, -1.0, 1.0).to(real)
    length = imaginary.norm(dim=-1, keepdim=True)
    small = length < 1e-20
    angle = 2 * torch.atan2(length, real * sign)
    return sign * imaginary * torch.where(small, 2.0, angle / torch.where(small, torch.ones_like(length), length))


def product(g2: Float[Tensor, "*#batch 3"], g1: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch 3"]:
    """First g1, then g2."""
    return rotation_vector(*_multiplied(quaternion(g2), quaternion(g1)))


def angle_between(g1: Float[Tensor, "*#batch 3"], g2: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch"]:
    """The angle of ``g1^-1 g2``."""
    real, imaginary = quaternion(g1)
    real, imaginary = _multiplied((real, -imaginary), quaternion(g2))
    return 2 * torch.atan2(imaginary.norm(dim=-1), real.abs().squeeze(-1))


def _multiplied(q2: tuple[Tensor, Tensor], q1: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (w2, v2), (w1, v1) = q2, q1
    v2, v1 = torch.broadcast_tensors(v2, v1)
    real = w2 * w1 - (v2 * v1).sum(-1, keepdim=True)
    return real, w2 * v1 + w1 * v2 + torch.linalg.cross(v2, v1)
