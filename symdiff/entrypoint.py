"""One entry point: load what it names, ask its hooks what they provide, and say how it stands."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import pluggy
from pydantic import BaseModel

from symdiff import hookspecs
from symdiff.errors import MissingExtraError
from symdiff.nearest import did_you_mean

if TYPE_CHECKING:
    from symdiff.groups import GroupFamily

Status = Literal["ok", "unavailable", "broken", "incompatible", "disabled"]


@dataclass(frozen=True)
class PluginStatus:
    """How a plugin stands.

    Attributes
    ----------
    name
        Of the entry point.
    status
        ``ok``; ``unavailable``: something it needs is not installed; ``incompatible``: built for another version of
        the plugin contract; ``broken``: anything else went wrong; ``disabled``: by an environment variable.
    families
        Names of the group families it provides.
    distribution, version, file
        Where it comes from.
    cause
        What went wrong, on one line.
    hint
        What to do about it.
    """

    name: str
    status: Status
    distribution: str
    version: str
    file: str | None = None
    families: tuple[str, ...] = ()
    cause: str = ""
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.name!r} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class Plugin:
    """A plugin and what it provides; nothing unless its status is ``ok``."""

    status: PluginStatus
    families: tuple[type[GroupFamily], ...] = ()
    sources: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    diagnostics: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    engines: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    manager: pluggy.PluginManager | None = None


class IncompatibleError(Exception):
    """The plugin was built for another version of the contract."""


class RubbishError(Exception):
    """A hook returned something it must not return."""


def describe(entry: EntryPoint) -> PluginStatus:
    """Return what is known about a plugin without importing it; the status is ``disabled``."""
    distribution = entry.dist
    version = distribution.metadata["Version"] if distribution else None
    name = distribution.metadata["Name"] if distribution else None
    return PluginStatus(entry.name, "disabled", name or "unknown distribution", version or "of unknown version")


def load(entry: EntryPoint) -> Plugin:
    """Import a plugin and ask its hooks; never raises, whatever the plugin does (Ctrl-C excepted)."""
    about = describe(entry)
    try:
        # What a plugin prints must not end up in the one JSON document of stdout.
        with redirect_stdout(sys.stderr):
            plugin = _load(entry, about)
    except MissingExtraError as error:
        return Plugin(_failed(about, entry, "unavailable", error.message, error.hint))
    except ImportError as error:
        return Plugin(_import_failed(about, entry, error))
    except IncompatibleError as error:
        return Plugin(_failed(about, entry, "incompatible", str(error), f"pip install --upgrade {about.distribution}"))
    except RubbishError as error:
        return Plugin(_failed(about, entry, "broken", str(error)))
    except (Exception, SystemExit) as error:
        return Plugin(_failed(about, entry, "broken", f"{type(error).__name__}: {error}"))
    return plugin


def _load(entry: EntryPoint, about: PluginStatus) -> Plugin:
    module = entry.load()
    _check_version(getattr(module, "PLUGIN_API", None), "it")
    # A manager of its own: what one plugin does wrong cannot reach another.
    manager = pluggy.PluginManager(hookspecs.NAMESPACE)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=entry.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise RubbishError(_validation(error)) from error
    if not manager.get_hookcallers(module):
        raise RubbishError(f"{entry.value} implements no hook of symdiff")
    families = _families(_ask(manager, "symdiff_group_families", list | tuple))
    status = replace(
        about,
        status="ok",
        file=getattr(module, "__file__", None) or _file(entry),
        families=tuple(family.name for family in families),
    )
    return Plugin(
        status,
        families,
        sources=_named(_ask(manager, "symdiff_sources", dict), "symdiff_sources"),
        diagnostics=_named(_ask(manager, "symdiff_diagnostics", dict), "symdiff_diagnostics"),
        engines=_named(_ask(manager, "symdiff_engines", dict), "symdiff_engines"),
        manager=manager,
    )


def _ask(manager: pluggy.PluginManager, hook: str, kind: Any) -> Any:
    answers = getattr(manager.hook, hook)()
    if not answers:
        return ()
    if not isinstance(answers[0], kind):
        expected = "a mapping of names" if kind is dict else "a list of classes"
        raise RubbishError(f"{hook} returned {answers[0]!r:.80}, not {expected}")
    return answers[0]


def _families(answer: Any) -> tuple[type[GroupFamily], ...]:
    for family in answer:
        _check_family(family)
    names = [family.name for family in answer]
    if len(set(names)) < len(names):
        raise RubbishError(f"symdiff_group_families returned one name twice: {', '.join(names)}")
    return tuple(answer)


def _check_family(family: Any) -> None:
    from symdiff.groups import GroupFamily

    if not (inspect.isclass(family) and issubclass(family, GroupFamily)):
        raise RubbishError(f"symdiff_group_families returned {family!r:.80}, not a subclass of symdiff.GroupFamily")
    _check_version(getattr(family, "PLUGIN_API", None), f"its family {family.__name__}")
    if inspect.isabstract(family):
        missing = ", ".join(sorted(family.__abstractmethods__))
        raise RubbishError(f"family {family.__name__} does not define {missing}")
    for attribute in ("name", "summary"):
        if not isinstance(getattr(family, attribute, None), str):
            raise RubbishError(f"family {family.__name__} has no class attribute {attribute!r}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", family.name):
        raise RubbishError(f"family {family.__name__} is called {family.name!r}: use letters, digits, '-' and '_'")
    options: Any = family.Options
    if not (inspect.isclass(options) and issubclass(options, BaseModel)):
        raise RubbishError(f"the Options of family {family.__name__} are no pydantic model")


def _named(answer: Any, hook: str) -> dict[str, Callable[..., Any]]:
    for name, value in dict(answer).items():
        if not isinstance(name, str) or not callable(value):
            raise RubbishError(f"{hook} returned {name!r}: {value!r:.80}, not a name and a function")
    return dict(answer)


def _check_version(declared: Any, what: str) -> None:
    from symdiff.groups import PLUGIN_API

    if declared is not None and declared != PLUGIN_API:
        raise IncompatibleError(f"{what} is built for version {declared!r} of the plugin API, symdiff has {PLUGIN_API}")


def _validation(error: pluggy.PluginValidationError) -> str:
    text = str(error)
    unknown = re.search(r"unknown hook '(\w+)'", text)
    if unknown is None:
        return text
    known = [name for name in vars(hookspecs) if name.startswith("symdiff_")]
    return f"there is no hook {unknown[1]!r}; {did_you_mean(unknown[1], known)}"


def _import_failed(about: PluginStatus, entry: EntryPoint, error: ImportError) -> PluginStatus:
    missing = (error.name or "").split(".")[0]
    if missing == entry.module.split(".")[0]:
        return _failed(about, entry, "broken", f"{type(error).__name__}: {error}")
    if missing == "symdiff":
        hint = f"pip install --upgrade {about.distribution}"
        return _failed(about, entry, "incompatible", f"{error}, which is not in this version", hint)
    if isinstance(error, ModuleNotFoundError) and missing:
        return _failed(about, entry, "unavailable", f"{missing} is not installed", _install(about, entry, missing))
    return _failed(about, entry, "unavailable", str(error), f"pip install --upgrade {about.distribution}")


def _install(about: PluginStatus, entry: EntryPoint, module: str) -> str:
    """Return the command that adds a missing module: by the plugin's own requirement, if it declares it."""
    for requirement in (entry.dist.requires if entry.dist else None) or ():
        wanted, _, condition = requirement.partition(";")
        named = re.match(r"[\w.-]+", wanted)
        if named and named[0].lower().replace("-", "_") == module.lower().replace("-", "_"):
            extra = re.search(r"extra\s*==\s*[\"']([^\"']+)", condition)
            what = f"{about.distribution}[{extra[1]}]" if extra else wanted.strip()
            return f"pip install '{what}'"
    return f"pip install {module}"


def _failed(about: PluginStatus, entry: EntryPoint, status: Status, cause: str, hint: str = "") -> PluginStatus:
    advice = hint or f"tell its authors, or leave it out: SYMDIFF_DISABLE_PLUGINS={about.name}"
    return replace(about, status=status, file=_file(entry), cause=" ".join(cause.split()), hint=advice)


def _file(entry: EntryPoint) -> str | None:
    try:
        spec = find_spec(entry.module.split(".")[0])
    except (ImportError, ValueError, AttributeError):
        return None
    return spec.origin if spec else None
