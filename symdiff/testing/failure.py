"""How a broken law is told: what should have held, the elements it fails on, and the definition to look at."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from symdiff.groups import GroupFamily

PRINTED = 8
"""Numbers of an element or an image that are printed; the rest is counted."""


class LawError(AssertionError):
    """A law does not hold; the message has the law, the offending elements and where to look."""


class NotApplicableError(Exception):
    """A law says nothing about this family, for the reason given."""


def require(holds: bool, law: str, about: object, look_at: tuple[str, ...], details: str = "") -> None:
    """Raise unless `holds`.

    Parameters
    ----------
    law
        What should hold, in a formula or a sentence.
    about
        The family, or whatever else defines the methods `look_at`.
    details
        What was found instead.

    Raises
    ------
    LawError
        It does not hold.
    """
    if not holds:
        raise LawError("\n".join(filter(None, [f"{law} does not hold", details, definitions(about, look_at)])))


def require_close(
    found: Tensor,
    expected: Tensor,
    law: str,
    about: object,
    look_at: tuple[str, ...],
    given: Mapping[str, Tensor] | None = None,
    tolerance: float = 1e-9,
    trailing: int = 3,
) -> None:
    """Raise unless two tensors agree to `tolerance`, relative to the largest number of `expected` where it exceeds 1.

    Parameters
    ----------
    given
        What the law is about, by name; of each, the entries that belong to the worst place are printed.
    trailing
        Dimensions of one item, such as 3 of an image; those before them are batch dimensions.

    Raises
    ------
    LawError
        They do not agree, or differ in shape.
    """
    shapes = f"the left-hand side has shape {tuple(found.shape)}, the right-hand side {tuple(expected.shape)}"
    require(found.shape == expected.shape, law, about, look_at, shapes)
    if not found.numel():
        return
    apart = (found.double() - expected.double()).abs().nan_to_num(nan=torch.inf)
    error = apart.flatten(apart.dim() - trailing).amax(-1) if trailing else apart
    limit = tolerance * max(1.0, float(expected.double().abs().max()))
    _report(error, limit, law, about, look_at, {**(given or {}), "left": found, "right": expected})


def require_equal(
    family: GroupFamily,
    found: Tensor,
    expected: Tensor,
    law: str,
    look_at: tuple[str, ...],
    given: Mapping[str, Tensor],
    tolerance: float = 1e-9,
) -> None:
    """Raise unless two batches of elements are the same, by the family's own distance.

    Raises
    ------
    LawError
        Some are apart, or the batches differ in shape.
    """
    shapes = f"the left-hand side has shape {tuple(found.shape)}, the right-hand side {tuple(expected.shape)}"
    require(found.shape == expected.shape, law, family, look_at, shapes)
    error = family.distance(found, expected).double().nan_to_num(nan=torch.inf)
    limit = tolerance * max(1.0, float(expected.double().abs().max()))
    _report(error, limit, law, family, (*look_at, "distance"), {**given, "left": found, "right": expected})


def definitions(about: object, names: tuple[str, ...]) -> str:
    """``look at compose (my_family.py:12)``: the definitions a law is about, with their places."""
    return "look at " + ", ".join(f"{name}{_place(about, name)}" for name in names) if names else ""


def _place(about: object, name: str) -> str:
    found = getattr(type(about), name, None)
    found = found.fget if isinstance(found, property) else found
    found = inspect.unwrap(found) if callable(found) else found
    try:
        file, line = inspect.getsourcefile(found), inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (TypeError, OSError):
        return f" of {type(about).__name__}"
    return f" ({Path(file or '').name}:{line})"


def _report(
    error: Tensor, limit: float, law: str, about: object, look_at: tuple[str, ...], given: Mapping[str, Tensor]
) -> None:
    if not bool((error > limit).any()):
        return
    worst = int(error.flatten().argmax())
    place = torch.unravel_index(torch.tensor(worst), error.shape) if error.dim() else ()
    lines = [f"off by {float(error.flatten()[worst]):.3g}, allowed are {limit:.3g}"]
    lines += [f"  {name} = {_shown(value, place, error)}" for name, value in given.items()]
    require(False, law, about, look_at, "\n".join(lines))


def _shown(value: Tensor, place: tuple[Tensor, ...], error: Tensor) -> str:
    for index, size in zip(place, error.shape, strict=True):
        if not value.dim() or value.shape[0] not in (1, size):
            break  # the same for all
        value = value[int(index) % value.shape[0]]
    numbers = value.detach().flatten().tolist()
    more = f", ... {len(numbers) - PRINTED} more" if len(numbers) > PRINTED else ""
    return f"[{', '.join(f'{number:.6g}' for number in numbers[:PRINTED])}{more}]"
