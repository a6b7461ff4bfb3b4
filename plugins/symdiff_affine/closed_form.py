"""Closed forms of the affine family beyond those of all affine steps: symmetric powers."""

from __future__ import annotations

import math

from symdiff.affine_steps import components, exact_model, finish, start, sufficient_basis
from symdiff.hae import HAE, Decoder
from symdiff.trajectories import Sequences
from symdiff_affine.exact import MonomialEncoder, SymmetricPower

__all__ = ["components", "exact_model", "power_base", "start", "sufficient_basis", "symmetric_model"]


def symmetric_model(
    sequences: Sequences, k: int, power: int, observation_shape: tuple[int, int, int], hidden: int
) -> HAE:
    """``h(x)`` the monomials of degree p in ``(P x, 1)``: polynomial, and still exactly equivariant."""
    parts = components(sequences, k)
    rows = parts.directions * parts.variances.mean().clamp_min(1e-12).rsqrt()
    encoder = MonomialEncoder(rows, power, observation_shape, hidden)
    rho = SymmetricPower(rows, power)
    return finish(HAE(encoder, rho, Decoder(rho.dimension, observation_shape, hidden)), sequences)


def power_base(latent: int, power: int, pixels: int) -> int:
    """Largest k whose monomials of degree p in k+1 variables number at most m; 0 if there is none."""
    k = 0
    while k < pixels and math.comb(k + 1 + power, power) <= latent:
        k += 1
    return k
