"""Conditions on diagnostics under which a finished run counts as failed: ``homomorphism_error>0.1``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symdiff.errors import UsageError
from symdiff.nearest import did_you_mean

if TYPE_CHECKING:
    from symdiff.result import Estimate

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

_FORM = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|>|<)\s*(\S+)\s*")


@dataclass(frozen=True)
class Gate:
    """One ``--fail-on`` condition."""

    name: str
    comparison: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{self.threshold:g}"

    def explain(self, diagnostics: Mapping[str, Estimate]) -> str | None:
        """Return why the gate trips, or ``None`` if it does not; a figure that is missing trips it."""
        estimate = diagnostics.get(self.name)
        if estimate is None or estimate.value is None:
            return f"--fail-on '{self}': {self.name} could not be computed"
        if OPERATORS[self.comparison](estimate.value, self.threshold):
            return f"--fail-on '{self}': {self.name} is {estimate.value:.4g}"
        return None


def parse_gate(text: str, names: Collection[str]) -> Gate:
    """Read ``NAME OPERATOR NUMBER``; nothing is evaluated.

    Parameters
    ----------
    text
        Such as ``homomorphism_error>0.1``; operators are ``> >= < <=``.
    names
        The diagnostics a run computes.

    Raises
    ------
    UsageError
        `text` has another form, or no diagnostic has this name.
    """
    match = _FORM.fullmatch(text)
    try:
        threshold = float(match[3]) if match else math.nan
    except ValueError:
        threshold = math.nan
    if match is None or math.isnan(threshold):
        raise UsageError(
            f"--fail-on {text!r} is not a condition",
            "write NAME, one of > >= < <=, and a number: --fail-on 'homomorphism_error>0.1'",
        )
    if match[1] not in names:
        guess = did_you_mean(match[1], names)
        raise UsageError(
            f"--fail-on: there is no diagnostic {match[1]!r}", f"{guess} known: {', '.join(sorted(names))}".strip()
        )
    return Gate(match[1], match[2], threshold)
