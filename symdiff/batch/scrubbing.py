"""What a page may tell of the machine it was made on: nothing.

A page and the tables beside it are passed on. What is cut from them is known by its value first: the folders this
process works in, what variables of the environment hold, the files that settings name. What is known by its form
only, absolute paths in messages of libraries, comes after.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CUT = "…"

SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION", re.IGNORECASE)
"""Names of variables whose values are cut however short they are."""

SHORTEST = 8
"""Characters from which on the value of any variable is cut; shorter ones are words."""

_SEGMENT = r"(?:[^/\n'\"<>|:~…]*[^/\s'\"<>|:~…])"
"""A folder's name may have spaces, but none at its end: in ``a b failed at /x`` no folder is called ``b failed at``."""

_LAST = r"[^/\s'\"<>|:]*"

_QUOTED = re.compile(r"(?P<quote>['\"])(?:file://)?(?P<path>~?[^/'\"\n]*/(?:(?!(?P=quote))[^\n])*)(?P=quote)")

_ABSOLUTE = re.compile(rf"(?<![\w./~…-])(?:file://)?(?:~[\w.-]*)?/(?:{_SEGMENT}/)+|(?<![\w./-])~[\w.-]*/")

_HOMES = re.compile(r"(?<![\w.])/(?:home|Users)/[^/\s'\"<>|:]+(?![^\s'\"<>|:])|(?<![\w.])/root(?![\w/])")
"""The home of somebody, whose last part is a name."""

_CLIMBING = re.compile(rf"(?<![\w./-])\.\./(?:{_SEGMENT}/)*")

_MODEL_FIELDS = ("model", "data")
"""Settings whose values may be paths, absolute or not."""


class Scrubber:
    """Cuts from a text what is only true of this machine.

    Parameters
    ----------
    study
        The directory of the study: paths in it are told relative to it.
    settings
        The settings of each run: values that are paths are told by their last part, those of several files of one name
        with a number.
    environ
        Variables of the environment; those of this process if left out.
    """

    def __init__(
        self, study: Path, settings: Iterable[Mapping[str, Any]] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self._done: dict[str, str] = {}
        runs = list(settings)
        inside = {str(study.absolute()), str(study.resolve())}
        self._inside = _matching(f"{folder}/" for folder in inside)
        self._values = _short_names(runs)
        self._paths = _matching(self._values, boundary=True)
        given = {str(value) for run in runs for value in run.values()} | {
            f"{key}={value}" for run in runs for key, value in run.items()
        }
        held = os.environ if environ is None else environ
        words = {value for name, value in held.items() if _is_telling(name, value)} - given
        folders = _folders(held) | inside
        self._words = _matching(words - folders, boundary=True)
        known = "|".join(map(re.escape, sorted(folders, key=len, reverse=True)))
        self._folders = re.compile(rf"(?<![\w.])(?:file://)?(?:{known})(?:/(?:{_SEGMENT}/)*(?={_LAST})|(?![\w/.-]))")

    def __call__(self, text: str) -> str:
        """Return `text` without it, in one line, with characters that steer the direction of text spelled out."""
        if text not in self._done:  # runs of one study say mostly the same
            self._done[text] = self._scrubbed(text)
        return self._done[text]

    def _scrubbed(self, text: str) -> str:
        found = text
        if self._paths is not None:
            found = self._paths.sub(lambda match: self._values[match[0]], found)
        if self._inside is not None:
            found = self._inside.sub("", found)
        found = _QUOTED.sub(_cut_quoted, found)
        found = self._folders.sub(lambda match: f"{CUT}/" if match[0].endswith("/") else CUT, found)
        found = _HOMES.sub(CUT, found)
        found = _ABSOLUTE.sub(f"{CUT}/", found)
        found = _CLIMBING.sub(f"{CUT}/", found)
        if self._words is not None:
            found = self._words.sub(CUT, found)
        return visible(found)

    def tree(self, value: Any) -> Any:
        """Return a document with every text in it scrubbed, names of its members included."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(key)): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value


def visible(text: str) -> str:
    """Return `text` in one line; control and format characters, which can turn it around, are spelled as escapes."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(f"\\u{ord(sign):04x}" if unicodedata.category(sign) in ("Cc", "Cf", "Cs") else sign for sign in line)


def _cut_quoted(match: re.Match[str]) -> str:
    path, quote = match["path"], match["quote"]
    head, _, rest = path.partition("/")
    if head and not head.startswith(("~", "..")) and not head.endswith(":"):
        return match[0]  # a relative path, or a sentence with a stroke in it
    if head.endswith(":") and not head.startswith("~") and rest.startswith("/"):
        return match[0]  # an address: https://...
    kind = head if head.endswith(":") else ""
    bare = path[len(kind) :].rstrip("/")
    if _HOMES.fullmatch(bare):
        return f"{quote}{kind}{CUT}{quote}"
    last = bare.rsplit("/", 1)[-1]
    return f"{quote}{kind}{CUT}/{last}{quote}" if "/" in bare.lstrip("/") or bare.startswith("~") else match[0]


def _short_names(runs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what is told of each path among the settings: its last part, with a number if another has the same."""
    paths: dict[str, None] = {}
    for run in runs:
        for key, value in run.items():
            for text in value if isinstance(value, list | tuple) else [value]:
                if isinstance(text, str) and (path := _path_in(key, text)):
                    paths[path] = None
    told: dict[str, str] = {}
    for path in paths:
        name = path.rstrip("/").rsplit("/", 1)[-1]
        short, number = f"{CUT}/{name}", 1
        while short in told.values():
            number += 1
            short = f"{CUT}/{name} ({number})"
        told[path] = short
    return told


def _path_in(key: str, text: str) -> str | None:
    """Return the path in a setting: ``diffusers:PATH``, ``FILE.py:factory``, ``PATH``."""
    if "/" not in text:
        return None
    found = text
    if key == "model":
        scheme, colon, rest = text.partition(":")
        found = rest if colon and "/" not in scheme else text
        file, colon, factory = found.rpartition(":")
        found = file if colon and "/" not in factory else found
    elif key not in _MODEL_FIELDS and not text.startswith(("/", "~", "./", "../")):
        return None
    return found if "/" in found else None


def _folders(environ: Mapping[str, str]) -> set[str]:
    """Return the folders this process knows of, none so short that it may be anything."""
    found = {os.getcwd(), tempfile.gettempdir(), sys.prefix, sys.base_prefix, sysconfig.get_path("purelib")}
    found |= {str(Path.home()), str(Path(__file__).parents[2])}
    for value in environ.values():
        found |= {part.rstrip("/") for part in value.split(os.pathsep) if part.startswith("/")}
    found |= {os.path.realpath(folder) for folder in found}
    return {folder for folder in found if len(folder) > 2}


def _is_telling(name: str, value: str) -> bool:
    return len(value) >= SHORTEST or (bool(SECRET.search(name)) and len(value) > 3)


def _matching(texts: Iterable[str], boundary: bool = False) -> re.Pattern[str] | None:
    """Return what matches any of `texts`, the longest first."""
    told = sorted({text for text in texts if text}, key=len, reverse=True)
    if not told:
        return None
    body = "|".join(map(re.escape, told))
    return re.compile(rf"(?<![\w/])(?:{body})(?![\w])" if boundary else rf"(?<![\w])(?:{body})")
