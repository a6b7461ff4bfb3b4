"""The one formula behind Euler's rule, DDIM, DPM-Solver++ and flow matching at first order.

Whatever the coordinates, a state is ``A x_0 + S eps``. A first-order step holds the two estimates fixed and moves the
levels: ``x' = A' x0hat + S' epshat``. Its stochastic form keeps the share ``e^-h`` of the noise and draws the rest,
with ``h = log(A'/S') - log(A/S)`` (Lu et al. 2022, "DPM-Solver++", Eqs. 9 and 14). With A = 1 these are Euler's rule
and the ancestral one for ``x_0 + S eps`` (Karras et al. 2022, Algorithm 1), with A = 1 - S that of flow matching, with
A^2 + S^2 = 1 DDIM (Song et al. 2021, Eq. 12).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Coefficients(NamedTuple):
    """``x' = P x + Q x0hat + std z``, each ``[steps]`` float64."""

    P: Float[Tensor, " steps"]
    Q: Float[Tensor, " steps"]
    std: Float[Tensor, " steps"]


def first_order(signal: Float[Tensor, " time"], noise: Float[Tensor, " time"], stochastic: bool) -> Coefficients:
    """Coefficients of the steps between the levels A = `signal` and S = `noise`, in the order of sampling.

    Deterministic: ``P = S'/S``, ``Q = A' (1 - e^-h)``. Stochastic: ``P = (S'/S) e^-h``, ``Q = A' (1 - e^-2h)`` and
    ``std = S' sqrt(1 - e^-2h)``.
    """
    kept = noise[1:] / noise[:-1]
    decay = signal[:-1] * kept / signal[1:]  # e^-h, without logarithms: it is 0 where S' or A is
    if not stochastic:
        return Coefficients(kept, signal[1:] * (1 - decay), torch.zeros_like(kept))
    fresh = (1 - decay) * (1 + decay)
    return Coefficients(kept * decay, signal[1:] * fresh, noise[1:] * fresh.clamp(min=0).sqrt())
