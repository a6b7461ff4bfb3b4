"""The affine group ``R_{>0} x| R^d``: arithmetic of ``g = (a, v)``, which acts as ``x -> a x + v``.

One reverse step of a diffusion, ``x' = a x + v``, is such an element. It is stored as the d+1 numbers
``(a, v_1, ..., v_d)`` in the last dimension of a tensor; every operation costs O(d) and broadcasts over leading
dimensions. The ``(d+1) x (d+1)`` matrix ``[[a I, v], [0, 1]]`` is made by `to_matrix` alone, for small d.

A Lie-algebra element ``(s, w)`` stands for ``[[s I, w], [0, 0]]`` and is stored in the same way.

Elements that are none are refused on the CPU, where elements are made. On a GPU values are not read back, and what is
computed from such an element is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from symdiff.errors import GroupElementError, RefusedError

MAX_DENSE_DIMENSION = 64
"""Largest d for which `to_matrix` builds the dense form."""


def identity(d: int, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Float[Tensor, " e"]:
    """The identity ``(1, 0)``, ``[d+1]``."""
    g = torch.zeros(d + 1, dtype=dtype, device=device)
    g[0] = 1
    return g


def compose(g2: Float[Tensor, "*batch2 e"], g1: Float[Tensor, "*batch1 e"]) -> Float[Tensor, "*batch e"]:
    """The product ``g2 g1 = (a2 a1, a2 v1 + v2)``: g1 acts first."""
    a2 = g2[..., :1]
    return torch.cat([a2 * g1[..., :1], a2 * g1[..., 1:] + g2[..., 1:]], dim=-1)


def inverse(g: Float[Tensor, "*batch e"]) -> Float[Tensor, "*batch e"]:
    """The inverse ``(1/a, -v/a)``.

    Raises
    ------
    GroupElementError
        If some a is 0 or not finite: such an element is not in GL(d+1).
    """
    a = g[..., :1]
    _require((a != 0) & a.isfinite(), a, "inverse needs a finite a other than 0")
    return torch.cat([1 / a, -g[..., 1:] / a], dim=-1)


def log(g: Float[Tensor, "*batch e"]) -> Float[Tensor, "*batch e"]:
    """The logarithm ``(log a, v log(a)/(a-1))``, accurate at a = 1, where the factor is 1.

    Raises
    ------
    GroupElementError
        If some a is not positive and finite: only there does a (unique) real logarithm exist for every v.
    """
    a = g[..., :1]
    _require((a > 0) & a.isfinite(), a, "log needs a finite a > 0")
    u = a - 1  # exact for a in [1/2, 2], so log1p(u)/u has full precision near a = 1
    return torch.cat([torch.log1p(u), g[..., 1:] * _ratio(torch.log1p, u)], dim=-1)


def exp(X: Float[Tensor, "*batch e"]) -> Float[Tensor, "*batch e"]:
    """The exponential ``(e^s, w (e^s - 1)/s)`` of ``(s, w)``."""
    s = X[..., :1]
    return torch.cat([torch.exp(s), X[..., 1:] * _ratio(torch.expm1, s)], dim=-1)


def bracket(X: Float[Tensor, "*batch1 e"], Y: Float[Tensor, "*batch2 e"]) -> Float[Tensor, "*batch e"]:
    """The Lie bracket ``[(s1, w1), (s2, w2)] = (0, s1 w2 - s2 w1)``: always a translation."""
    w = X[..., :1] * Y[..., 1:] - Y[..., :1] * X[..., 1:]
    return torch.cat([torch.zeros_like(w[..., :1]), w], dim=-1)


def act(g: Float[Tensor, "*batch e"], x: Float[Tensor, "*states"]) -> Float[Tensor, "*images"]:
    """The image ``a x + v``.

    Parameters
    ----------
    g
        ``[..., d+1]``.
    x
        Images ``[..., C, H, W]`` with ``C H W = d``, or vectors ``[..., d]``; read as images when both would fit.

    Raises
    ------
    RefusedError
        If x has neither shape.
    """
    a, v = g[..., :1], g[..., 1:]
    d = v.shape[-1]
    if x.dim() >= 3 and math.prod(x.shape[-3:]) == d:
        return a[..., None, None] * x + v.reshape(*v.shape[:-1], *x.shape[-3:])
    if x.dim() >= 1 and x.shape[-1] == d:
        return a * x + v
    raise RefusedError(
        f"an element of dimension d = {d} cannot act on a tensor of shape {tuple(x.shape)}",
        "give images [..., C, H, W] with C H W = d, or vectors [..., d]",
    )


def from_step(
    x: Float[Tensor, "*batch c h w"], x_next: Float[Tensor, "*batch c h w"], a: float | Float[Tensor, "*steps"]
) -> Float[Tensor, "*batch e"]:
    """The element ``(a, x' - a x)`` that takes `x` to `x_next`; exact for any finite a.

    Parameters
    ----------
    x, x_next
        States before and after the step.
    a
        A number, or a tensor that broadcasts against the leading dimensions of `x`. It is rounded to the dtype of
        `x` first, so that the element maps x to x_next to rounding error. ``a = 0`` is allowed: the element is then
        not in GL(d+1), and `inverse` and `log` refuse it.

    Raises
    ------
    GroupElementError
        If some a is infinite or NaN.
    """
    scale = torch.as_tensor(a, dtype=x.dtype, device=x.device)
    _require(scale.isfinite(), scale, "an element needs a finite a")
    scale = scale.expand(x.shape[:-3])[..., None]
    return torch.cat([scale, x_next.flatten(-3) - scale * x.flatten(-3)], dim=-1)


def distance(g1: Float[Tensor, "*batch1 e"], g2: Float[Tensor, "*batch2 e"]) -> Float[Tensor, "*batch"]:
    """The left-invariant geodesic distance: ``distance(h g1, h g2) = distance(g1, g2)``.

    With the left-invariant metric ``(da^2 + |dv|^2)/a^2`` the group is hyperbolic space in its upper half-space
    model, ``(v, a)`` being the point at height a, so ``cosh distance = 1 + ((a1-a2)^2 + |v1-v2|^2)/(2 a1 a2)``.
    Elements with a of opposite signs lie in different components, at infinite distance.

    Raises
    ------
    GroupElementError
        If some a is 0 or not finite.
    """
    a1, a2 = g1[..., 0], g2[..., 0]
    for a in (a1, a2):
        _require((a != 0) & a.isfinite(), a, "distance needs a finite a other than 0")
    product = a1 * a2
    same = product > 0
    chord = torch.linalg.vector_norm(g1 - g2, dim=-1) / torch.where(same, product, torch.ones_like(product)).sqrt()
    return torch.where(same, 2 * torch.asinh(chord / 2), torch.full_like(chord, math.inf))


def to_matrix(g: Float[Tensor, "*batch e"]) -> Float[Tensor, "*batch e e"]:
    """The dense matrix ``[[a I, v], [0, 1]]`` acting on ``(x, 1)``; for checks at small d.

    Raises
    ------
    RefusedError
        If d is above `MAX_DENSE_DIMENSION`: use `compose`, `act` and the others, which never form it.
    """
    d = g.shape[-1] - 1
    if d > MAX_DENSE_DIMENSION:
        raise RefusedError(
            f"the dense matrix of an element with d = {d} is refused (limit {MAX_DENSE_DIMENSION})",
            "compose, act, inverse, log and exp work on the d+1 numbers and never need it",
        )
    matrix = torch.zeros(*g.shape[:-1], d + 1, d + 1, dtype=g.dtype, device=g.device)
    matrix[..., :d, :d] = g[..., :1, None] * torch.eye(d, dtype=g.dtype, device=g.device)
    matrix[..., :d, d] = g[..., 1:]
    matrix[..., d, d] = 1
    return matrix


def _ratio(f: Callable[[Tensor], Tensor], u: Tensor) -> Tensor:
    """``f(u)/u`` for f = log1p or expm1, with its limit at ``u = 0`` and a finite gradient there."""
    tiny = u.abs() < torch.finfo(u.dtype).eps
    slope = -0.5 if f is torch.log1p else 0.5
    # Both branches are evaluated in the backward pass, so the divisor must never be 0.
    safe = torch.where(tiny, torch.ones_like(u), u)
    return torch.where(tiny, 1 + slope * u, f(safe) / safe)


def _require(ok: Tensor, a: Tensor, message: str) -> None:
    if a.device.type != "cpu":
        return  # to look at the values would make every step wait for the device; what comes of them is not finite
    if not bool(ok.all()):
        wrong = a.detach()[~ok]
        raise GroupElementError(
            f"{message}; a is {float(wrong[0]):g} in {wrong.numel()} of {a.numel()} elements",
            "leave that step out, or use gauge v: it is finite and positive unless the schedule ends at zero SNR",
        )
