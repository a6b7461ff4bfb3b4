"""The laws of a family as a class: its names and its options."""

from __future__ import annotations

import re

from pydantic import ValidationError

from symdiff.groups import FamilyOptions, GroupFamily
from symdiff.testing.failure import require


def assert_options(family: GroupFamily) -> None:
    """`Options` derive from `FamilyOptions`, are frozen, refuse unknown keys, and say what each is for.

    Raises
    ------
    LawError
        They do not.
    """
    Options, look_at = type(family).Options, ("Options",)
    name = Options.__name__
    require(issubclass(Options, FamilyOptions), f"{name} derives from FamilyOptions", family, look_at)
    options = family.options
    details = f"options are {options!r}"
    require(isinstance(options, Options), f"options of a family are {name}", family, look_at, details)
    try:
        Options.model_validate({"no such option": 1})
        refused = False
    except ValidationError:
        refused = True
    require(refused, f"{name} refuses unknown options", family, look_at, "keep model_config extra='forbid'")
    first = next(iter(Options.model_fields))
    try:
        setattr(options, first, getattr(options, first))
        frozen = False
    except (ValidationError, AttributeError):
        frozen = True
    require(frozen, f"{name} is frozen", family, look_at, "keep model_config frozen=True")
    bare = [key for key, field in Options.model_fields.items() if not field.description]
    require(not bare, f"every option of {name} has a description", family, look_at, f"not described: {bare}")
    again = Options.model_validate(options.model_dump(mode="json"))
    require(again == options, f"{name} can be written and read back", family, look_at, f"{options!r} became {again!r}")


def assert_named(family: GroupFamily) -> None:
    """A family has a name for the command line, a summary, and a title for sentences.

    Raises
    ------
    LawError
        One is missing.
    """
    name = family.name
    details = f"it is {name!r}"
    fits = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) is not None
    require(fits, "a name has letters, digits, '-' and '_'", family, (), details)
    require(bool(family.summary) and bool(family.title), "a family has a summary and a title", family, ("title",))
    require(family.element_name(family.identity()) != "", "every element has a name", family, ("element_name",))
