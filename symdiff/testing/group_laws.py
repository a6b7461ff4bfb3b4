"""The axioms of a group and of a distance, on given elements ``[n, *element_shape]``."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.failure import require, require_close, require_equal

TOLERANCE = 1e-9
"""What is rounding in float64."""


def assert_associative(
    family: GroupFamily,
    g3: Shaped[Tensor, "n *element"],
    g2: Shaped[Tensor, "n *element"],
    g1: Shaped[Tensor, "n *element"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """``(g3 g2) g1 = g3 (g2 g1)``.

    Raises
    ------
    LawError
        It does not hold.
    """
    left = family.compose(family.compose(g3, g2), g1)
    right = family.compose(g3, family.compose(g2, g1))
    given = {"g3": g3, "g2": g2, "g1": g1}
    require_equal(family, left, right, "(g3 g2) g1 = g3 (g2 g1)", ("compose",), given, tolerance)


def assert_identity(family: GroupFamily, g: Shaped[Tensor, "n *element"], *, tolerance: float = TOLERANCE) -> None:
    """``e g = g = g e``, e being one element without batch dimensions.

    Raises
    ------
    LawError
        It does not hold.
    """
    e = family.identity().to(g)
    shape = f"identity() has shape {tuple(e.shape)}, element_shape is {tuple(family.element_shape)}"
    require(e.shape == torch.Size(family.element_shape), "identity() is one element", family, ("identity",), shape)
    look_at = ("identity", "compose")
    require_equal(family, family.compose(e, g), g, "e g = g", look_at, {"g": g, "e": e}, tolerance)
    require_equal(family, family.compose(g, e), g, "g e = g", look_at, {"g": g, "e": e}, tolerance)


def assert_inverse(family: GroupFamily, g: Shaped[Tensor, "n *element"], *, tolerance: float = TOLERANCE) -> None:
    """``g^-1 g = e = g g^-1``.

    Raises
    ------
    LawError
        It does not hold.
    """
    back, e = family.inverse(g), family.identity().to(g).expand(g.shape)
    look_at, given = ("inverse", "compose", "identity"), {"g": g, "inverse(g)": back}
    require_equal(family, family.compose(back, g), e, "g^-1 g = e", look_at, given, tolerance)
    require_equal(family, family.compose(g, back), e, "g g^-1 = e", look_at, given, tolerance)


def assert_distance(
    family: GroupFamily,
    g1: Shaped[Tensor, "n *element"],
    g2: Shaped[Tensor, "n *element"],
    g3: Shaped[Tensor, "n *element"],
    x: Float[Tensor, "n c h w"],
    *,
    symmetric: bool = True,
    tolerance: float = TOLERANCE,
) -> None:
    """A distance: 0 at equality, never negative, symmetric, with the triangle inequality, and 0 only at equality.

    Elements at distance 0 are equal, so that they move observations alike; those that do not are apart.

    Parameters
    ----------
    x
        Observations ``[n, C, H, W]``, one for each element.
    symmetric
        False for a distance that is documented not to be.

    Raises
    ------
    LawError
        An axiom does not hold.
    """
    look_at = ("distance",)
    d12, d23, d13 = family.distance(g1, g2), family.distance(g2, g3), family.distance(g1, g3)
    zero = torch.zeros_like(d12)
    require_close(family.distance(g1, g1), zero, "distance(g, g) = 0", family, look_at, {"g": g1}, tolerance, 0)
    given = {"g1": g1, "g2": g2, "g3": g3}
    require_close(d12.clamp_max(0), zero, "distance(g1, g2) >= 0", family, look_at, given, tolerance, 0)
    if symmetric:
        law = "distance(g1, g2) = distance(g2, g1)"
        require_close(d12, family.distance(g2, g1), law, family, look_at, given, tolerance, 0)
    law = "distance(g1, g3) <= distance(g1, g2) + distance(g2, g3)"
    require_close((d13 - d12 - d23).clamp_min(0), zero, law, family, look_at, given, 1e3 * tolerance, 0)
    apart = family.act(g1, family.observed(x)) - family.act(g2, family.observed(x))
    together = (d12 <= tolerance).reshape(-1, 1, 1, 1)
    law = "distance(g1, g2) = 0 only if g1 x = g2 x for every x"
    hidden = torch.where(together, apart, torch.zeros_like(apart))
    require_close(hidden, torch.zeros_like(apart), law, family, ("distance", "act"), given, 1e4 * tolerance)


def assert_features(
    family: GroupFamily,
    g: Shaped[Tensor, "n *element"],
    h: Shaped[Tensor, "n *element"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Equal elements have equal features, however they were computed: ``features((g h) h^-1) = features(g)``.

    A learned rho sees an element through its features only. They are not when coordinates miss a modulo.

    Raises
    ------
    LawError
        They have not.
    """
    look_at = ("features", "compose", "inverse")
    e = family.identity().to(g)
    ways = {
        "features(g e) = features(g)": (family.compose(g, e), g),
        "features(e g^-1) = features(g^-1)": (family.compose(e, family.inverse(g)), family.inverse(g)),
        "features((g h) h^-1) = features(g)": (family.compose(family.compose(g, h), family.inverse(h)), g),
    }
    for law, (one, other) in ways.items():
        left, right = family.features(one), family.features(other)
        given = {"g": g, "h": h, "coordinates, left": one, "coordinates, right": other}
        require_close(left, right, law, family, look_at, given, tolerance, 1)
    require(left.shape[:-1] == g.shape[:1], "features(g) is [..., n]", family, look_at, f"found {tuple(left.shape)}")
