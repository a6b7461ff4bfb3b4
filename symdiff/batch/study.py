"""A study file: defaults, and a matrix of lists that is multiplied out into runs."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from symdiff.batch.lines import line_of
from symdiff.config import RunConfig, RunFlags, complaint
from symdiff.errors import ConfigError, SymdiffError
from symdiff.models import check_model, find_sampler
from symdiff.nearest import did_you_mean
from symdiff.options import check_options, combinations
from symdiff.plugins import checksum, load_plugins, resolve
from symdiff.settings import Settings
from symdiff.trajectories import digest_of_sequences, is_recording, is_sequences

FLAGS = ("group", *RunFlags.model_fields)
"""What `[defaults]` may set."""

WITHOUT_EFFECT = ("device",)
"""Flags that make no other run, so that a matrix cannot list them."""


class Head(BaseModel):
    """The table ``[study]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80, description="Of the study, and of its default directory.")

    @field_validator("name")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", value):
            raise ValueError("must be a name for a folder: letters, digits, '.', '-', '_', not beginning with '.'")
        return value


@dataclass(frozen=True)
class Run:
    """One run of a study.

    Attributes
    ----------
    config
        What it does, resolved.
    plugins
        Versions of the plugins that take part in it, by name.
    """

    config: RunConfig
    plugins: Mapping[str, str]

    @cached_property  # asked for at every look at the study, which may have a thousand runs
    def run_id(self) -> str:
        """Name of the run and of its directory: the configuration, the model's digest, the versions of plugins."""
        text = json.dumps([self.config.config_hash(), dict(self.plugins)], sort_keys=True)
        return f"{self.config.run_id.rpartition('-')[0]}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration, flat: flags, and options under ``family.key``."""
        flat = self.config.model_dump(mode="json", exclude={"options", "device"})
        return flat | {f"{self.config.group}.{key}": value for key, value in self.config.options.items()}


@dataclass(frozen=True)
class Study:
    """A study: its name and its runs, no two of them alike, in the order of the matrix."""

    name: str
    runs: tuple[Run, ...]

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """The settings in which runs of this study differ, options among the runs of their group."""
        found: dict[str, set[str]] = {}
        for run in self.runs:
            for key, value in run.settings.items():
                found.setdefault(key, set()).add(json.dumps(value, sort_keys=True))
        return tuple(key for key, values in found.items() if len(values) > 1)

    def label(self, run: Run) -> str:
        """Return what tells `run` from the others: ``gaussian affine seed=1``."""
        own = run.settings
        names = [f"{key}={own[key]}" for key in self.varying if key not in HEADLINE and key in own]
        return " ".join([run.config.model, run.config.group, *names])


HEADLINE = ("model", "group", "model_digest", "recording", "images")
"""Settings named by model and group, or by them implied."""


def read_study(file: Path) -> Study:
    """Read a study file, check every value in it, and multiply its matrix out.

    Raises
    ------
    ConfigError
        The file is unreadable, a key is unknown, or a value is of the wrong type or out of range; the message names
        line and key.
    PluginError, ModelError, StoreError, DataError
        A group or a model cannot be had.
    """
    return _Reader(file).study()


class _Reader:
    """Reads one file; knows where to point at."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self.text = file.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark
            self.table = tomllib.loads(self.text)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the study {file}: {error}", "give a TOML file") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file} is not TOML: {error}", "values look like: steps = 50, seed = [0, 1]") from error

    def study(self) -> Study:
        self._known((), self.table, ("study", "defaults", "matrix"))
        head = self._table(("study",))
        self._known(("study",), head, tuple(Head.model_fields))
        try:
            name = Head.model_validate(head).name
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            given = f"is {head['name']!r}" if "name" in head else "is missing"
            raise self._error(
                ("study", "name"), f"{given}: {complaint(detail)}", 'write [study] name = "..."'
            ) from None
        return Study(name, tuple(self._runs()))

    # --- what is in the file --------------------------------------------------------------------

    def _runs(self) -> list[Run]:
        defaults, matrix = self._table(("defaults",)), self._table(("matrix",))
        self._known(("defaults",), defaults, (*FLAGS, "options"))
        self._known(("matrix",), matrix, (*(flag for flag in FLAGS if flag not in WITHOUT_EFFECT), "options"))
        shared = {key: value for key, value in defaults.items() if key != "options"}
        lists = {key: self._list(("matrix", key), value) for key, value in matrix.items() if key != "options"}
        for key, value in shared.items():
            self._check(("defaults", key), value)
        for key, values in lists.items():
            for value in values:
                self._check(("matrix", key), value)
        groups = lists.get("group") or [shared.get("group", RunConfig.model_fields["group"].default)]
        given = self._options("defaults", groups, lambda path, value: [value])
        varied = self._options("matrix", groups, self._list)
        runs: dict[str, Run] = {}
        digests: dict[str, str | None] = {}
        for choice in combinations(lists):
            flags = {**shared, **choice}
            group = flags.get("group", groups[0])
            for options in combinations({**given.get(group, {}), **varied.get(group, {})}):
                run = self._run(RunConfig(**{**flags, "options": options}), digests)
                runs.setdefault(run.run_id, run)
        return list(runs.values())

    def _run(self, config: RunConfig, digests: dict[str, str | None]) -> Run:
        """Resolve a run; the digest of a model, which may take reading all its weights, is computed once."""
        if config.length > config.steps and not is_sequences(config.model):
            path = self._given("length", "steps")
            told = f"asks for a length of {config.length} in trajectories of {config.steps} steps"
            raise self._error(path, told, f"choose a length from 1 to {config.steps}, or more steps")
        with _pointing(self, self._place("options", config.group)):
            check_options(load_plugins().family(config.group).Options, config.options, config.group)
        with _pointing(self, self._given("model")):
            resolved, _, _ = resolve(config.model_copy(update={"model_digest": digests.get(config.model)}))
        digests[config.model] = resolved.model_digest
        return Run(resolved, taking_part(resolved))

    def _options(
        self, section: str, groups: list[str], values: Callable[[tuple[str, ...], Any], list[Any]]
    ) -> dict[str, dict[str, list[Any]]]:
        found: dict[str, dict[str, list[Any]]] = {}
        families = self._table((section, "options"))
        for family in families:
            path = (section, "options", family)
            if family not in groups:
                hint = f"{did_you_mean(family, groups)} groups of this study: {', '.join(groups)}".strip()
                raise self._error(path, "is for a group that this study does not have", hint)
            kind = load_plugins().family(family).Options
            for key, value in self._table(path).items():
                found.setdefault(family, {})[key] = values((*path, key), value)
                for one in found[family][key]:
                    with _pointing(self, (*path, key)):
                        check_options(kind, {key: one}, family)
        return found

    def _check(self, path: tuple[str, ...], value: Any) -> None:
        """Refuse a value that the flag would refuse, and names that nothing has."""
        key = path[-1]
        try:
            RunConfig.model_validate({key: value})
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise self._error(path, f"is {value!r}: {complaint(detail)}", "see `symdiff analyze --help`") from None
        with _pointing(self, path):
            if key == "group":
                load_plugins().family(value)
            elif key == "model" and is_sequences(value):
                digest_of_sequences(value)
            elif key == "model" and not is_recording(value):
                check_model(value)
            elif key == "sampler":
                find_sampler(value)
            elif key == "data":
                checksum(value)

    # --- pointing -------------------------------------------------------------------------------

    def _table(self, path: tuple[str, ...]) -> dict[str, Any]:
        found: Any = self.table
        for name in path:
            found = found.get(name, {})
        if not isinstance(found, dict):
            raise self._error(path, f"is {found!r}: must be a table", f"write [{'.'.join(path)}]")
        return found

    def _list(self, path: tuple[str, ...], value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            hint = f"write {path[-1]} = [...], or put it under [defaults]"
            raise self._error(path, f"is {value!r}: must be a list of at least one value", hint)
        return value

    def _known(self, path: tuple[str, ...], table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key in known:
                continue
            if key in WITHOUT_EFFECT:
                raise self._error((*path, key), "makes no other run", "put it under [defaults]")
            if path and path != ("study",) and key in Settings.model_fields:
                raise self._error((*path, key), "is not for a study", "`symdiff batch run --help` has its flags")
            hint = f"{did_you_mean(key.replace('-', '_'), known)} known: {', '.join(sorted(known))}".strip()
            raise self._error((*path, key), "is no key of a study", hint)

    def _given(self, *keys: str) -> tuple[str, ...]:
        """Return where the first of `keys` is set that is."""
        return next((place for key in keys if (place := self._place(key)) != ("study",)), ("study",))

    def _place(self, *keys: str) -> tuple[str, ...]:
        """Return where ``keys[0].keys[1]...`` is set: in the matrix, in the defaults, or else nowhere."""
        for section in ("matrix", "defaults"):
            found: Any = self.table.get(section, {})
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if found is not None:
                return (section, *keys)
        return ("study",)

    def where(self, path: tuple[str, ...]) -> str:
        """Return ``FILE, line N: a.b``."""
        line = line_of(self.text, path)
        return f"{self.file}{f', line {line}' if line else ''}: {'.'.join(path)}"

    def _error(self, path: tuple[str, ...], message: str, hint: str) -> ConfigError:
        return ConfigError(f"{self.where(path)} {message}", hint)


@contextmanager
def _pointing(reader: _Reader, path: tuple[str, ...]) -> Iterator[None]:
    """Put the place in the file in front of the message of an error."""
    try:
        yield
    except SymdiffError as error:
        error.message = f"{reader.where(path)}: {error.message}"
        error.args = (error.message,)
        raise


def taking_part(config: RunConfig) -> dict[str, str]:
    """Return the versions of the plugins that can change what a run finds: its group's, its model's, diagnostics'."""
    return {
        plugin.status.name: f"{plugin.status.distribution} {plugin.status.version}"
        for plugin in load_plugins().plugins
        if config.group in plugin.status.families or config.model in plugin.sources or plugin.diagnostics
    }
