"""What holds of every function on elements because they are tensors: batches, dtypes, devices, no side effects."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from symdiff.groups import GroupFamily
from symdiff.testing.failure import require, require_close
from symdiff.testing.group_laws import TOLERANCE


class _Function(NamedTuple):
    name: str
    call: Callable[..., Tensor]
    arguments: tuple[Tensor, ...]
    trailing: tuple[int, ...]
    """Dimensions of one item: of each argument, then of the result."""


def assert_batches(
    family: GroupFamily,
    g: Shaped[Tensor, "n *element"],
    h: Shaped[Tensor, "n *element"],
    x: Float[Tensor, "n c h w"],
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """A batch is its items one by one; leading dimensions broadcast, and one element goes with a batch.

    Parameters
    ----------
    g, h
        Elements ``[n, *element_shape]``, n at least 2.
    x
        Observations ``[n, C, H, W]``.

    Raises
    ------
    LawError
        Some function treats a batch otherwise.
    """
    for f in _functions(family, g, h, x):
        out, n = f.trailing[-1], len(g)
        alone = torch.stack([f.call(*(a[i] for a in f.arguments)) for i in range(n)])
        law = f"{f.name} of a batch is {f.name} of its items"
        require_close(f.call(*f.arguments), alone, law, family, (f.name,), None, tolerance, out)
        pairs = [a[:2].unflatten(0, (2, 1)) if k == 0 else a[None, :2] for k, a in enumerate(f.arguments)]
        if len(pairs) == 1:
            expected = alone[:2].unflatten(0, (2, 1))
        else:
            first, second = f.arguments
            rows = [torch.stack([f.call(first[i], second[j]) for j in (0, 1)]) for i in (0, 1)]
            expected = torch.stack(rows)
        law = f"leading dimensions of {f.name} broadcast, [2, 1] and [1, 2] to [2, 2]"
        require_close(f.call(*pairs), expected, law, family, (f.name,), None, tolerance, out)
        for k in range(len(f.arguments) if len(f.arguments) > 1 else 0):
            mixed = [a[0] if i == k else a for i, a in enumerate(f.arguments)]
            items = [[a[0] if i == k else a[j] for i, a in enumerate(f.arguments)] for j in range(n)]
            expected = torch.stack([f.call(*item) for item in items])
            law = f"{f.name} takes one item, without batch dimensions, as argument {k + 1} beside a batch"
            require_close(f.call(*mixed), expected, law, family, (f.name,), None, tolerance, out)


def assert_dtype_and_device_kept(
    family: GroupFamily, g: Shaped[Tensor, "n *element"], h: Shaped[Tensor, "n *element"], x: Float[Tensor, "n c h w"]
) -> None:
    """Results are in the dtype and on the device of what they are made from; float32 and float64, CPU and GPU.

    Only devices that are there are tested.

    Raises
    ------
    LawError
        One is not.
    """
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device, dtype in product(devices, (torch.float32, torch.float64)):
        cast = [a.to(device, dtype if a.is_floating_point() else None) for a in (g, h)]
        for f in _functions(family, cast[0], cast[1], x.to(device, dtype)):
            found, like = f.call(*f.arguments), f.arguments[-1]
            kept = f.name == "distance" or (found.dtype, found.device) == (like.dtype, like.device)
            details = f"from {like.dtype} on {like.device} it makes {found.dtype} on {found.device}"
            require(
                kept and found.device == like.device, f"{f.name} keeps dtype and device", family, (f.name,), details
            )


def assert_pure(
    family: GroupFamily, g: Shaped[Tensor, "n *element"], h: Shaped[Tensor, "n *element"], x: Float[Tensor, "n c h w"]
) -> None:
    """No function changes what it is given.

    Raises
    ------
    LawError
        One does.
    """
    for f in _functions(family, g, h, x):
        before = [a.clone() for a in f.arguments]
        f.call(*f.arguments)
        same = all(torch.equal(a, b) for a, b in zip(before, f.arguments, strict=True))
        require(same, f"{f.name} leaves its arguments as they are", family, (f.name,))


def _functions(family: GroupFamily, g: Tensor, h: Tensor, x: Tensor) -> list[_Function]:
    e = len(family.element_shape)
    found = [
        _Function("compose", family.compose, (g, h), (e, e, e)),
        _Function("inverse", family.inverse, (g,), (e, e)),
        _Function("distance", family.distance, (g, h), (e, e, 0)),
        _Function("features", family.features, (g,), (e, 1)),
        _Function("act", family.act, (g, x), (e, 3, 3)),
        _Function("observed", family.observed, (x,), (3, 3)),
    ]
    if family.is_lie:
        X, Y = family.log(g), family.log(h)
        found += [
            _Function("log", family.log, (g,), (e, 1)),
            _Function("exp", family.exp, (X,), (1, e)),
            _Function("bracket", family.bracket, (X, Y), (1, 1, 1)),
        ]
    return found
