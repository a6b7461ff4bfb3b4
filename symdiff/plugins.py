"""Discovery of plugins, one by one, so that a broken one costs a line and nothing else.

Everything comes through this door, the families of this repository included: an entry point in group ``symdiff``
names a module with implementations of the hooks in `symdiff.hookspecs`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symdiff.entrypoint import Plugin, PluginStatus, describe, load
from symdiff.errors import DataError, ModelError, PluginError, SequencesError, SymdiffError, UnknownGroupError
from symdiff.hookspecs import NAMESPACE
from symdiff.nearest import did_you_mean
from symdiff.options import check_options

if TYPE_CHECKING:
    from symdiff.config import RunConfig
    from symdiff.diffusion import Denoiser
    from symdiff.groups import FamilyOptions, GroupFamily
    from symdiff.result import Result

log = logging.getLogger(__name__)

ONLY = "SYMDIFF_LOAD_PLUGINS"
"""Variable: load these plugins only, names of entry points or distributions separated by commas; empty for none."""

WITHOUT = "SYMDIFF_DISABLE_PLUGINS"
"""Variable: do not load these plugins."""

STRICT = "SYMDIFF_STRICT_PLUGINS"
"""Variable: if 1, a broken or incompatible plugin is an error."""


@dataclass(frozen=True)
class Registry:
    """The plugins found, and what they provide by name."""

    plugins: tuple[Plugin, ...]

    @property
    def status(self) -> tuple[PluginStatus, ...]:
        """How every plugin stands, also those that could not be loaded."""
        return tuple(plugin.status for plugin in self.plugins)

    @property
    def families(self) -> dict[str, type[GroupFamily]]:
        """The group families by name; a name two plugins claim is left out, `family` says why."""
        claims = self.claims()
        return {
            family.name: family
            for plugin in self.plugins
            for family in plugin.families
            if len(claims[family.name]) == 1
        }

    def claims(self) -> dict[str, list[PluginStatus]]:
        """Which plugins claim each name of a group family."""
        found: dict[str, list[PluginStatus]] = {}
        for plugin in self.plugins:
            for family in plugin.families:
                found.setdefault(family.name, []).append(plugin.status)
        return found

    def family(self, name: str) -> type[GroupFamily]:
        """Return the group family called `name`.

        Raises
        ------
        PluginError
            Two plugins claim the name, or the plugin of this name is not available.
        UnknownGroupError
            There is no such family.
        """
        claimants = self.claims().get(name, [])
        if len(claimants) > 1:
            raise _claimed_twice("group family", name, claimants)
        if claimants:
            return self.families[name]
        for status in self.status:
            if status.name == name and status.status != "ok":
                raise PluginError(_failure(status), status.hint)
        installed = sorted(self.claims())
        failed = [str(status) for status in self.status if status.status not in ("ok", "disabled")]
        hints = [did_you_mean(name, [*installed, *(status.name for status in self.status)])]
        hints += [f"not loaded: {', '.join(failed)}; see `symdiff plugins list`"] if failed else []
        raise UnknownGroupError(
            f"there is no group family {name!r}; installed: {', '.join(installed) or 'none'}",
            " ".join(hint for hint in hints if hint) or "`symdiff plugins list` shows what is installed",
        )

    def plugin(self, name: str) -> Plugin:
        """Return the plugin whose entry point or one of whose families is called `name`.

        Raises
        ------
        PluginError
            There is none, or there are two.
        """
        found = [plugin for plugin in self.plugins if name == plugin.status.name or name in plugin.status.families]
        if len(found) == 1:
            return found[0]
        if found:
            raise _claimed_twice("name", name, [plugin.status for plugin in found])
        known = sorted({name for status in self.status for name in (status.name, *status.families)})
        raise PluginError(
            f"there is no plugin {name!r}; installed: {', '.join(known) or 'none'}",
            did_you_mean(name, known) or "`symdiff plugins list` shows what is installed",
        )

    @property
    def sources(self) -> dict[str, Callable[[], Any]]:
        """What loads the diffusion models of plugins, by name."""
        return self._merged("model", [plugin.sources for plugin in self.plugins])

    def denoiser(self, name: str) -> Denoiser:
        """Load the diffusion model a plugin calls `name`, which is one of `sources`.

        Raises
        ------
        ModelError
            The plugin fails to load it, or what it returns is none.
        """
        from symdiff.diffusion import Denoiser

        try:
            denoiser = self.sources[name]()
        except SymdiffError:
            raise
        except Exception as error:
            raise ModelError(
                f"the source of model {name!r} failed: {type(error).__name__}: {error}", "--debug shows where"
            ) from error
        if not isinstance(denoiser, Denoiser):
            raise ModelError(
                f"the source of model {name!r} returned {denoiser!r:.80}, not a Denoiser",
                "its function must return a subclass of symdiff.Denoiser",
            )
        return denoiser

    @property
    def diagnostics(self) -> dict[str, Callable[[Any], Any]]:
        """Diagnostics of plugins, by name."""
        return self._merged("diagnostic", [plugin.diagnostics for plugin in self.plugins])

    @property
    def engines(self) -> dict[str, Callable[..., Any]]:
        """Engines of plugins, by name."""
        return self._merged("engine", [plugin.engines for plugin in self.plugins])

    def run_finished(self, result: Result, run_dir: Path) -> None:
        """Tell every plugin that a run is complete; one that fails costs a warning, not the run."""
        for plugin in self.plugins:
            if plugin.manager is None:
                continue
            try:
                plugin.manager.hook.symdiff_run_finished(result=result, run_dir=run_dir)
            except (Exception, SystemExit) as error:
                cause = " ".join(f"{type(error).__name__}: {error}".split())
                log.warning("plugin %s failed in symdiff_run_finished: %s", plugin.status, cause)

    def _merged(self, kind: str, provided: list[Mapping[str, Callable[..., Any]]]) -> dict[str, Callable[..., Any]]:
        merged: dict[str, Callable[..., Any]] = {}
        owner: dict[str, PluginStatus] = {}
        for status, named in zip(self.status, provided, strict=True):
            for name, value in named.items():
                if name in merged:
                    raise _claimed_twice(kind, name, [owner[name], status])
                merged[name], owner[name] = value, status
        return merged


def load_plugins() -> Registry:
    """Load the installed plugins, as the environment asks; once a process for the same environment.

    Raises
    ------
    PluginError
        A plugin is broken or incompatible and ``SYMDIFF_STRICT_PLUGINS`` is 1.
    """
    strict = os.environ.get(STRICT, "").lower() not in ("", "0", "false", "no")
    return _load_plugins(os.environ.get(ONLY), os.environ.get(WITHOUT, ""), strict, tuple(sys.path))


def resolve(config: RunConfig) -> tuple[RunConfig, type[GroupFamily], FamilyOptions]:
    """Return the configuration with its family's options checked and their defaults filled in, the family, the options.

    Raises
    ------
    PluginError, UnknownGroupError
        The family cannot be had.
    ConfigError
        An option is unknown, of the wrong type or out of range.
    StoreError
        The model is a recorded directory that cannot be read, or is not finished.
    DataError
        The file of held-out images cannot be read.
    ModelError
        The model is a user's own, or a plugin's, and cannot be had.
    SequencesError
        The model is a file of observed sequences that is not there, or the family does not fit what is observed.
    """
    from symdiff.diffusion import SOURCES
    from symdiff.diffusion.adapters import digest_of_own, is_own
    from symdiff.trajectories import digest_of_sequences, is_recording, is_sequences, read_manifest, refuse_unfinished

    family = load_plugins().family(config.group)
    options = check_options(family.Options, config.options, family.name)
    _refuse_unsuited(family, config.model, config.data)
    refuse_unfinished(config.model)
    recording = read_manifest(config.model)["checksum"] if is_recording(config.model) else None
    images = checksum(config.data) if config.data is not None else None
    digest = config.model_digest
    if is_sequences(config.model):
        digest = digest or digest_of_sequences(config.model)
    elif digest is None and recording is None and is_own(config.model):
        digest = digest_of_own(config.model)
    elif digest is None and recording is None and config.model not in SOURCES:
        registry = load_plugins()
        digest = registry.denoiser(config.model).digest if config.model in registry.sources else None
    filled = {"recording": recording, "images": images, "model_digest": digest}
    filled["options"] = options.model_dump(mode="json")
    return config.model_copy(update=filled), family, options


def _refuse_unsuited(family: type[GroupFamily], model: str, data: str | None) -> None:
    """Refuse a family that has no actions in what was observed, or one that learns from nothing else."""
    from symdiff.trajectories import is_sequences

    if not is_sequences(model):
        if family.actions_are_observed:
            raise SequencesError(
                f"group {family.name!r} learns from observed sequences, and {model!r} is a diffusion model",
                "give sequences:FILE, a file of observations and the actions between them",
            )
        return
    if family.actions_are_steps:
        raise SequencesError(
            f"the actions of group {family.name!r} are the reverse steps of a diffusion model, and {model!r} has none",
            "give --group a family that takes the observed actions, or one that acts on observations: "
            "`symdiff plugins list`",
        )
    if data is not None:
        raise SequencesError(
            f"{data!r} is given as --data, held-out images for the bound of a diffusion model, and {model!r} is none",
            "leave --data out: a fifth of the sequences is held out",
        )


def checksum(file: str) -> str:
    """Return the SHA-256 of a file of images, so that another file of the same name makes another run."""
    try:
        with Path(file).expanduser().open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read the images in {file}: {error.strerror}", "give a file to --data") from error


@lru_cache(maxsize=8)
def _load_plugins(only: str | None, without: str, strict: bool, path: tuple[str, ...]) -> Registry:
    # `path` is part of the key because it decides which entry points are found.
    entries = sorted(entry_points(group=NAMESPACE), key=lambda entry: (entry.name, describe(entry).distribution))
    wanted, unwanted = None if only is None else _split(only), _split(without)
    _warn_of_unknown(entries, {ONLY: wanted or set(), WITHOUT: unwanted})
    plugins = []
    for entry in entries:
        about = describe(entry)
        names = {about.name, about.distribution}
        if wanted is not None and not names & wanted:
            plugin = Plugin(replace(about, hint=f"{ONLY} does not name it"))
        elif names & unwanted:
            plugin = Plugin(replace(about, hint=f"{WITHOUT} names it"))
        else:
            plugin = load(entry)
        if plugin.status.status in ("broken", "incompatible"):
            if strict:
                raise PluginError(_failure(plugin.status), f"{plugin.status.hint} ({STRICT} is set)")
            log.warning("%s", _failure(plugin.status))
        plugins.append(plugin)
    return Registry(tuple(plugins))


def _split(names: str) -> set[str]:
    return {name.strip() for name in names.split(",") if name.strip()}


def _warn_of_unknown(entries: list[EntryPoint], variables: Mapping[str, set[str]]) -> None:
    known = {name for entry in entries for name in (entry.name, describe(entry).distribution)}
    for variable, names in variables.items():
        for name in sorted(names - known):
            guess = did_you_mean(name, known)
            log.warning("%s names %r, which is not installed%s", variable, name, guess and f"; {guess}")


def _failure(status: PluginStatus) -> str:
    return f"plugin {status} is {status.status}" + (f": {status.cause}" if status.cause else "")


def _claimed_twice(kind: str, name: str, claimants: list[PluginStatus]) -> PluginError:
    last = claimants[-1]
    choice = last.name if last.name not in {other.name for other in claimants[:-1]} else last.distribution
    return PluginError(
        f"the {kind} {name!r} is claimed by {' and '.join(f'plugin {status}' for status in claimants)}",
        f"leave one out: {WITHOUT}={choice}",
    )
