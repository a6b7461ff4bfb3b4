"""What `symdiff analyze` is asked for: command line over SYMDIFF_* variables over a TOML file over defaults."""

from __future__ import annotations

import logging
import os
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from symdiff.config import RunConfig, RunFlags, complaint
from symdiff.errors import ConfigError
from symdiff.nearest import did_you_mean
from symdiff.options import Candidates, combinations, overlay, parse_pairs, parse_table

log = logging.getLogger(__name__)

PREFIX = "SYMDIFF_"

OTHER_VARIABLES = ("CACHE", "LOAD_PLUGINS", "DISABLE_PLUGINS", "STRICT_PLUGINS")
"""Variables that are not flags of `analyze`: where recordings are kept, and which plugins are loaded."""


Layer = tuple[Callable[[str], str], Mapping[str, Any]]
"""How one source spells a setting in messages, and the settings it gives; a later layer wins."""


class Settings(RunFlags):
    """All flags of `symdiff analyze`.

    Attributes
    ----------
    group
        The group families; each makes at least one run.
    options
        ``{family: {key: candidates}}``.
    out, force, rescore, fail_on
        Where the runs are written, whether what is there is overwritten or only scored again, and the conditions
        under which a finished run counts as failed. None of them changes a result.
    """

    group: tuple[str, ...] = Field(("affine",), min_length=1)
    options: Candidates = Field(default_factory=dict)
    out: Path | None = None
    force: bool = False
    rescore: bool = False
    fail_on: tuple[str, ...] = ()

    @field_validator("group", "fail_on", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("group")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names a group twice; candidates are made by repeating an option")
        return value

    def runs(self) -> list[RunConfig]:
        """Return one configuration a group and combination of option values, options not yet checked."""
        shared = self.model_dump(include=set(RunFlags.model_fields))
        return [
            RunConfig(**shared, group=group, options=options)
            for group in self.group
            for options in combinations(self.options.get(group, {}))
        ]


def gather(
    flags: Mapping[str, Any],
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    command: str = "analyze",
) -> Settings:
    """Combine all sources of settings.

    Parameters
    ----------
    flags
        What was given on the command line; ``None`` means not given. `options` is a list of ``key=value``.
    file
        A TOML file; its keys are the flags with underscores for dashes.
    environment
        Variables ``SYMDIFF_<FLAG>``; lists are separated by commas, `SYMDIFF_OPTIONS` is ``"key=value ..."``.
    command
        The command that asks, whose help a message points to.

    Raises
    ------
    ConfigError
        A key is unknown, or a value has the wrong type or is out of range.
    """
    layers: list[Layer] = [
        (lambda key: str(file) + ": " + key, _from_file(file) if file else {}),
        (lambda key: PREFIX + key.upper(), _from_environment(os.environ if environment is None else environment)),
        (lambda key: "--" + key.replace("_", "-"), {key: value for key, value in flags.items() if value is not None}),
    ]
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for spell, layer in layers:
        values |= layer
        origin |= {key: spell(key) for key in layer}
    groups = _groups(values, origin)
    values["options"] = _options(layers, groups)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        key = str(detail["loc"][0])
        raise ConfigError(
            f"{origin.get(key, key)} is {values.get(key)!r}: {complaint(detail)}", f"see `symdiff {command} --help`"
        ) from None


def _groups(values: Mapping[str, Any], origin: Mapping[str, str]) -> Sequence[str]:
    groups = values.get("group", ("affine",))
    groups = [groups] if isinstance(groups, str) else groups
    if not isinstance(groups, list | tuple) or not groups or not all(isinstance(name, str) and name for name in groups):
        raise ConfigError(f"{origin['group']} is {groups!r}: must name a group, or several", "for example: affine")
    return list(groups)


def _options(layers: Sequence[Layer], groups: Sequence[str]) -> Candidates:
    options: Candidates = {}
    for spell, layer in layers:
        given = layer.get("options", [])
        if isinstance(given, Mapping):
            options = overlay(options, parse_table(given, groups))
        elif isinstance(given, list | tuple):
            options = overlay(options, parse_pairs(given, groups))
        else:
            raise ConfigError(f"{spell('options')} is {given!r}: must be a table", "write [options] key = value")
    return options


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name.removeprefix(PREFIX) in OTHER_VARIABLES or not text:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in Settings.model_fields:
            # Not an error: the variable may belong to a plugin.
            known = [PREFIX + other.upper() for other in Settings.model_fields] + [PREFIX + o for o in OTHER_VARIABLES]
            guess = did_you_mean(name, known)
            log.warning("%s is not a setting of symdiff and is ignored%s", name, guess and f"; {guess}")
        elif key in ("group", "fail_on"):
            found[key] = [part.strip() for part in text.split(",")]
        else:
            found[key] = shlex.split(text) if key == "options" else text
    return found


def _from_file(file: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {file}: {error}", "give a TOML file to --config") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}", 'settings look like: steps = 50, group = "affine"') from error
    for key in table:
        if key not in Settings.model_fields:
            known = sorted(Settings.model_fields)
            raise ConfigError(
                f"{file}: there is no setting {key!r}",
                f"{did_you_mean(key.replace('-', '_'), known)} known: {', '.join(known)}".strip(),
            )
    return table
