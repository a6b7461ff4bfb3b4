"""How numbers are written: two or three significant digits, ``1e-7`` for the tiny, a dash for the unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

UNKNOWN = "—"


def number(value: Any, digits: int = 3) -> str:
    """Write a number for reading, not for computing.

    Parameters
    ----------
    value
        A number, or ``None``/NaN/infinite for one that could not be computed; a string is returned as it is.
    digits
        Significant digits; one fewer where an exponent is needed.

    Returns
    -------
    str
        ``0.0312``, ``128``, ``1.4e-7``, or an em dash.
    """
    if value is None or isinstance(value, bool | str):
        return UNKNOWN if value is None else str(value)
    x = float(value)
    if not math.isfinite(x):
        return UNKNOWN
    if x == 0:
        return "0"
    if x == int(x) and abs(x) < 1e5:
        return _minus(str(int(x)))
    magnitude = math.floor(math.log10(abs(x)))
    if -4 < magnitude < 5:
        rounded = f"{x:.{max(digits - 1 - magnitude, 0)}f}"
    else:
        mantissa, exponent = f"{x:.{max(digits - 2, 0)}e}".split("e")
        rounded = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return _minus(rounded)


def interval(ends: Sequence[float | None] | None, digits: int = 3) -> str:
    """Write an interval as ``[low, high]``; an em dash if there is none or neither end is known."""
    if ends is None or all(end is None for end in ends):
        return UNKNOWN
    return f"[{', '.join(number(end, digits) for end in ends)}]"


def setting(value: float) -> str:
    """Write a number somebody chose: as short as it is, ``0.05``, ``1e-4``."""
    plain, _, exponent = f"{value:.6g}".partition("e")
    return f"{plain}e{int(exponent)}" if exponent else plain


def seconds(value: float | None) -> str:
    """Write a duration: ``840 ms``, ``12.3 s``, ``4 min 05 s``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def joined(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""


def _minus(text: str) -> str:
    """Set a leading hyphen as a minus sign."""
    return "\N{MINUS SIGN}" + text[1:] if text.startswith("-") else text
