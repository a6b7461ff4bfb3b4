"""The laws of an action on observations, and of what a family knows about it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.failure import require, require_close, require_equal
from symdiff.testing.group_laws import TOLERANCE


def assert_left_action(
    family: GroupFamily,
    g2: Shaped[Tensor, "n *element"],
    g1: Shaped[Tensor, "n *element"],
    x: Float[Tensor, "n c h w"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """``g2 (g1 x) = (g2 g1) x`` and ``e x = x``, on the observed part of x.

    Parameters
    ----------
    x
        Observations ``[n, C, H, W]``, one for each pair.

    Raises
    ------
    LawError
        It does not hold.
    """
    x = family.observed(x)
    left, right = family.act(g2, family.act(g1, x)), family.act(family.compose(g2, g1), x)
    given = {"g2": g2, "g1": g1}
    law = "act(g2, act(g1, x)) = act(compose(g2, g1), x)"
    require_close(left, right, law, family, ("act", "compose"), given, tolerance)
    e = family.identity().to(g1)
    require_close(family.act(e, x), x, "act(e, x) = x", family, ("act", "identity"), {"e": e}, tolerance)


def assert_linear_action(
    family: GroupFamily,
    g: Shaped[Tensor, "n *element"],
    x: Float[Tensor, "n c h w"],
    y: Float[Tensor, "n c h w"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """``g (2 x - 3 y) = 2 g x - 3 g y``.

    Raises
    ------
    LawError
        It does not hold.
    """
    left = family.act(g, 2 * x - 3 * y)
    right = 2 * family.act(g, x) - 3 * family.act(g, y)
    require_close(left, right, "act(g, 2 x - 3 y) = 2 act(g, x) - 3 act(g, y)", family, ("act",), {"g": g}, tolerance)


def assert_observed(
    family: GroupFamily, g: Shaped[Tensor, "n *element"], x: Float[Tensor, "n c h w"], *, tolerance: float = TOLERANCE
) -> None:
    """`observed` is a projection that commutes with the action.

    Raises
    ------
    LawError
        It is not, or does not.
    """
    seen = family.observed(x)
    require_close(
        family.observed(seen), seen, "observed(observed(x)) = observed(x)", family, ("observed",), None, tolerance
    )
    left, right = family.observed(family.act(g, seen)), family.act(g, seen)
    law = "observed(act(g, x)) = act(g, x) for observed x"
    require_close(left, right, law, family, ("observed", "act"), {"g": g}, tolerance)


def assert_isotypic(
    family: GroupFamily, g: Shaped[Tensor, "n *element"], x: Float[Tensor, "n c h w"], *, tolerance: float = TOLERANCE
) -> None:
    """The isotypic components sum to ``observed(x)``, and each is moved within itself.

    Raises
    ------
    LawError
        They do not, or one is not.
    """
    parts = family.isotypic_components(x)
    look_at = ("isotypic_components", "observed")
    total = torch.stack(list(parts.values())).sum(0)
    law = "the isotypic components sum to observed(x)"
    require_close(total, family.observed(x), law, family, look_at, None, tolerance)
    moved = family.isotypic_components(family.act(g, family.observed(x)))
    for name, part in parts.items():
        law = f"component {name} of act(g, x) = act(g, component {name} of x)"
        look_at = ("isotypic_components", "act")
        require_close(moved[name], family.act(g, part), law, family, look_at, {"g": g}, tolerance)


def assert_haar_closed(
    family: GroupFamily, elements: Shaped[Tensor, "order *element"], *, tolerance: float = TOLERANCE
) -> None:
    """The elements of a finite group: none twice, and every product is one of them.

    Raises
    ------
    LawError
        One is there twice, or a product is missing.
    """
    apart = family.distance(elements[:, None], elements[None])
    twice = (apart <= 1e3 * tolerance).sum(1)
    details = f"{int((twice > 1).sum())} of {len(elements)} are there more than once"
    require(bool((twice == 1).all()), "haar_elements() are all different", family, ("haar_elements",), details)
    products = family.compose(elements[:, None], elements[None]).flatten(0, 1)
    nearest = family.distance(products[:, None], elements[None]).amin(1)
    worst = int(nearest.argmax())
    i, j = divmod(worst, len(elements))
    details = f"the product of elements {i} and {j}, {products[worst].tolist()}, is not among them"
    hint = "\na compact group whose elements are a quadrature and no subgroup sets `finite = False` in its suite"
    closed = float(nearest.amax()) <= 1e3 * tolerance
    law = "haar_elements() are closed under multiplication"
    require(closed, law, family, ("haar_elements", "compose"), details + hint)


def assert_haar_average(
    family: GroupFamily,
    elements: Shaped[Tensor, "order *element"],
    g: Shaped[Tensor, "n *element"],
    x: Float[Tensor, "n c h w"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """The average of an observation over `haar_elements` is invariant under every element.

    Raises
    ------
    LawError
        It is not.
    """
    seen = family.observed(x)
    average = family.act(elements[:, None], seen[None]).mean(0)
    law = "act(g, the average of x over haar_elements()) = that average"
    require_close(family.act(g, average), average, law, family, ("haar_elements", "act"), {"g": g}, tolerance)


def assert_factors(family: GroupFamily, factors: dict[str, Tensor], *, tolerance: float = TOLERANCE) -> None:
    """Each factor multiplies like the angles ``2 pi j/n``, and different factors commute.

    Raises
    ------
    LawError
        One does not, or two do not.
    """
    look_at = ("factors", "compose")
    for name, elements in factors.items():
        n = len(elements)
        j = torch.arange(n)
        law = f"elements j and k of factor {name} compose to element j + k mod {n}"
        products = family.compose(elements[:, None], elements[None]).flatten(0, 1)
        sums = elements[((j[:, None] + j) % n).flatten()]
        require_equal(family, products, sums, law, look_at, {}, 1e3 * tolerance)
        for other, commuting in factors.items():
            a, b = elements[:, None], commuting[None]
            law = f"factors {name} and {other} commute"
            one, two = family.compose(a, b).flatten(0, 1), family.compose(b, a).flatten(0, 1)
            require_equal(family, one, two, law, look_at, {}, 1e3 * tolerance)
