"""Functions of a skew matrix X with ``X^3 = -q X``: all of size 2 and 3, q being the square of the angle.

``exp X = 1 + A X + B X^2`` (Rodrigues) and ``V = int_0^1 exp(sX) ds = 1 + B X + C X^2`` with ``A = sin(w)/w``,
``B = (1 - cos w)/w^2``, ``C = (w - sin w)/w^3``, ``w = sqrt q``; the inverse of V is ``1 - X/2 + D X^2`` with
``D = (1 - A/(2B))/q``. All are power series in q, which are used near 0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SMALL = 0.25
"""q below which series are used: ten terms leave less than rounding in float64."""

TERMS = 10

A_SERIES = tuple((-1) ** j / math.factorial(2 * j + 1) for j in range(TERMS))
B_SERIES = tuple((-1) ** j / math.factorial(2 * j + 2) for j in range(TERMS))
C_SERIES = tuple((-1) ** j / math.factorial(2 * j + 3) for j in range(TERMS))
D_SERIES = (1 / 12, 1 / 720, 1 / 30240, 1 / 1209600, 1 / 47900160, 691 / 1307674368000, 1 / 74724249600)


def square_of_angle(X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch 1 1"]:
    """``q = |X|_F^2 / 2``."""
    return X.square().sum((-2, -1), keepdim=True) / 2


def rotation(X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """``exp X``."""
    q = square_of_angle(X)
    w, small = _angle(q)
    half = w / 2
    a = torch.where(small, _series(A_SERIES, q), w.sin() / w)
    b = torch.where(small, _series(B_SERIES, q), (half.sin() / half).square() / 2)
    return _eye(X) + a * X + b * (X @ X)


def mean_rotation(X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """``V = int_0^1 exp(sX) ds``: what a translation is multiplied by in the exponential of a rigid motion."""
    q = square_of_angle(X)
    w, small = _angle(q)
    half = w / 2
    b = torch.where(small, _series(B_SERIES, q), (half.sin() / half).square() / 2)
    c = torch.where(small, _series(C_SERIES, q), (w - w.sin()) / w**3)
    return _eye(X) + b * X + c * (X @ X)


def inverse_mean_rotation(X: Float[Tensor, "*batch s s"]) -> Float[Tensor, "*batch s s"]:
    """``V^-1``; the angle has to be below 2 pi."""
    q = square_of_angle(X)
    w, small = _angle(q)
    half = w / 2
    d = torch.where(small, _series(D_SERIES, q), (1 - half * half.cos() / half.sin()) / w**2)
    return _eye(X) - X / 2 + d * (X @ X)


def _angle(q: Tensor) -> tuple[Tensor, Tensor]:
    small = q < SMALL
    # Both branches are differentiated, so the one not taken must stay finite.
    return torch.where(small, torch.ones_like(q), q).sqrt(), small


def _series(coefficients: tuple[float, ...], q: Tensor) -> Tensor:
    # Where q is large the series is not taken, and must not overflow in the gradient.
    inside = torch.where(q < SMALL, q, torch.zeros_like(q))
    value = torch.full_like(q, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * inside + coefficient
    return value


def _eye(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
