"""From what a network predicts to x0hat and back, for states ``A x_0 + sigma eps`` with A^2 + sigma^2 = 1."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from symdiff.diffusion.denoisers.base import Prediction

Images = Float[Tensor, "batch c h w"]


def to_x0hat(kind: Prediction, output: Images, x: Images, alpha_bar: float) -> Images:
    """The estimate of the clean image that an output means.

    Parameters
    ----------
    kind
        What `output` is: see `symdiff.diffusion.denoisers.base.Prediction`.
    output, x
        What the network returned, and the state it was given.
    alpha_bar
        Of the state.
    """
    signal, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    if kind == "sample":
        return output
    if kind == "epsilon":
        return (x - sigma * output) / signal
    if kind == "v_prediction":
        return signal * x - sigma * output
    return (x - sigma * output) / (signal + sigma)


def from_x0hat(kind: Prediction, x0hat: Images, x: Images, alpha_bar: float) -> Images:
    """What a network of this kind would have returned: the inverse of `to_x0hat`, for alpha_bar < 1."""
    signal, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    if kind == "sample":
        return x0hat
    if kind == "epsilon":
        return (x - signal * x0hat) / sigma
    if kind == "v_prediction":
        return (signal * x - x0hat) / sigma
    return (x - (signal + sigma) * x0hat) / sigma
