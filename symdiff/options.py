"""Options of group families: from ``-o key=value`` to a checked instance of the family's `Options`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from symdiff.config import complaint
from symdiff.errors import ConfigError
from symdiff.nearest import did_you_mean

OptionsT = TypeVar("OptionsT", bound=BaseModel)

Candidates = dict[str, dict[str, list[Any]]]
"""``{family: {key: values}}``; more than one value makes more than one run."""


def parse_pairs(pairs: Iterable[str], groups: Sequence[str]) -> Candidates:
    """Read ``key=value`` (one group) or ``family.key=value`` (several); a repeated key collects candidates.

    Raises
    ------
    ConfigError
        A pair has another form, or names a family that is not asked for.
    """
    found: Candidates = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        family, dot, key = name.strip().rpartition(".")
        if not equals or not key:
            raise ConfigError(f"option {pair!r} is not of the form key=value", "for example: -o rho=lie")
        if not dot:
            family = _only(groups, pair)
        elif family not in groups:
            raise ConfigError(
                f"option {pair!r} is for {family!r}, but the groups asked for are {', '.join(groups)}",
                did_you_mean(family, groups) or f"add --group {family}",
            )
        found.setdefault(family, {}).setdefault(key, []).append(_read(value.strip()))
    return found


def parse_table(table: Mapping[str, Any], groups: Sequence[str]) -> Candidates:
    """Read the ``[options]`` of a file: ``key = value`` with one group, or a table ``[options.family]`` each."""
    found: Candidates = {}
    for name, value in table.items():
        if isinstance(value, Mapping) and name in groups:
            found.setdefault(name, {}).update({key: [item] for key, item in value.items()})
        elif isinstance(value, Mapping) and len(groups) > 1:
            raise ConfigError(
                f"[options.{name}]: no group {name!r} is asked for, only {', '.join(groups)}",
                did_you_mean(name, groups) or f"add {name!r} to group, or remove the table",
            )
        else:
            found.setdefault(_only(groups, name), {})[name] = [value]
    return found


def overlay(lower: Candidates, upper: Candidates) -> Candidates:
    """Return both, a key of `upper` replacing all candidates `lower` has for it."""
    families = [*lower, *(family for family in upper if family not in lower)]
    return {family: {**lower.get(family, {}), **upper.get(family, {})} for family in families}


def combinations(candidates: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return every choice of one value a key."""
    return [dict(zip(candidates, values, strict=True)) for values in product(*candidates.values())]


def check_options(kind: type[OptionsT], given: Mapping[str, Any], family: str) -> OptionsT:
    """Return the options as the family declares them.

    Raises
    ------
    ConfigError
        A key is unknown, or a value has the wrong type or is out of range.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise ConfigError(*_explain(error, kind, family)) from None


def _explain(error: ValidationError, kind: type[BaseModel], family: str) -> tuple[str, str]:
    """Message and hint for the first thing wrong, unknown keys before values."""
    known = sorted(kind.model_fields)
    valid = f"options of {family}: {', '.join(known) or 'none'}"
    details = error.errors(include_url=False)
    for detail in details:
        if detail["type"] == "extra_forbidden":
            key = str(detail["loc"][0])
            return f"{family} has no option {key!r}", f"{did_you_mean(key, known)} {valid}".strip()
    detail = details[0]
    key = str(detail["loc"][0]) if detail["loc"] else family
    expected = dict.fromkeys(complaint(item) for item in details if item["loc"][:1] == detail["loc"][:1])
    given = detail["input"] if detail["loc"] else dict(detail["input"])
    return f"option {key} of {family} is {given!r}: {'; '.join(expected)}", f"see `symdiff plugins show {family}`"


def _only(groups: Sequence[str], what: str) -> str:
    if len(groups) > 1:
        raise ConfigError(
            f"option {what!r} does not say which group it is for: {', '.join(groups)}",
            f"write the family first: -o {groups[0]}.{what}",
        )
    return groups[0]


def _read(value: str) -> Any:
    """Lists and tables are written as JSON; all else is text, which the family's types convert."""
    if value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
