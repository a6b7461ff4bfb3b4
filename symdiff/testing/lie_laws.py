"""The laws of a Lie algebra and of its exponential."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.failure import require, require_close, require_equal
from symdiff.testing.group_laws import TOLERANCE

STEP = 1e-3
"""How small the elements are whose commutator is compared with the bracket."""


def assert_exponential(family: GroupFamily, g: Shaped[Tensor, "n *element"], *, tolerance: float = TOLERANCE) -> None:
    """``exp(log g) = g``, ``log e = 0``, and ``exp(s X)`` is a one-parameter subgroup.

    Raises
    ------
    LawError
        It does not hold.
    """
    X = family.log(g)
    look_at = ("exp", "log")
    require_equal(family, family.exp(X), g, "exp(log g) = g", look_at, {"g": g, "log g": X}, tolerance)
    none = family.log(family.identity().to(g))
    require_close(none, torch.zeros_like(none), "log e = 0", family, ("log", "identity"), None, tolerance, 1)
    left, right = family.compose(family.exp(0.3 * X), family.exp(0.4 * X)), family.exp(0.7 * X)
    require_equal(family, left, right, "exp(0.3 X) exp(0.4 X) = exp(0.7 X)", ("exp", "compose"), {"X": X}, tolerance)


def assert_bracket(
    family: GroupFamily,
    X: Float[Tensor, "n k"],
    Y: Float[Tensor, "n k"],
    Z: Float[Tensor, "n k"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Bilinear, antisymmetric, with the Jacobi identity, and the commutator of the group to second order.

    Parameters
    ----------
    X, Y, Z
        Coordinates ``[n, k]`` of logarithms.

    Raises
    ------
    LawError
        It does not hold.
    """
    bracket, look_at, given = family.bracket, ("bracket",), {"X": X, "Y": Y, "Z": Z}
    xy = bracket(X, Y)
    require_close(xy, -bracket(Y, X), "[X, Y] = -[Y, X]", family, look_at, given, tolerance, 1)
    left, right = bracket(2 * X - 3 * Z, Y), 2 * xy - 3 * bracket(Z, Y)
    require_close(left, right, "[2 X - 3 Z, Y] = 2 [X, Y] - 3 [Z, Y]", family, look_at, given, tolerance, 1)
    jacobi = bracket(X, bracket(Y, Z)) + bracket(Y, bracket(Z, X)) + bracket(Z, xy)
    law = "[X, [Y, Z]] + [Y, [Z, X]] + [Z, [X, Y]] = 0"
    require_close(jacobi, torch.zeros_like(jacobi), law, family, look_at, given, tolerance, 1)
    # The terms of odd order cancel between the two signs, so that the rest is of the square of the step.
    between = (_commutator(family, X, Y, STEP) + _commutator(family, X, Y, -STEP)) / (2 * STEP**2)
    law = "log(exp(tX) exp(tY) exp(-tX) exp(-tY)) = t^2 [X, Y] + O(t^3)"
    scale = max(1.0, float(torch.cat([X, Y]).abs().max())) ** 4
    require_close(between, xy, law, family, ("bracket", "exp", "log", "compose"), given, 100 * STEP**2 * scale, 1)


def assert_finite_gradients(family: GroupFamily, g: Shaped[Tensor, "n *element"]) -> None:
    """`log` and `exp` have finite gradients, at the identity too.

    Raises
    ------
    LawError
        One is NaN or infinite.
    """
    points = torch.cat([g, family.identity().to(g)[None]])
    for name, function, at in (("log", family.log, points), ("exp", family.exp, family.log(points).detach())):
        leaf = at.detach().clone().requires_grad_()
        function(leaf).sum().backward()
        gradient = leaf.grad
        finite = gradient is not None and bool(gradient.isfinite().all())
        require(finite, f"{name} has finite gradients, also at the identity", family, (name,), f"found {gradient}")


def _commutator(family: GroupFamily, X: Tensor, Y: Tensor, t: float) -> Tensor:
    g, h, g_back, h_back = (family.exp(step) for step in (t * X, t * Y, -t * X, -t * Y))
    return family.log(family.compose(family.compose(g, h), family.compose(g_back, h_back)))
