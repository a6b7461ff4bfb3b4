"""The files of a new plugin: rendered from templates, written where nothing is yet."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from symdiff.errors import DiskError, OutputError
from symdiff.scaffold.names import check_name

Kind = Literal["group", "source", "diagnostic"]

SUMMARIES: dict[Kind, str] = {
    "group": "A group family for symdiff",
    "source": "A diffusion model for symdiff",
    "diagnostic": "A diagnostic for symdiff",
}

FILES: dict[Kind, dict[str, str]] = {
    "group": {"{module}/family.py": "family.py", "tests/test_family.py": "test_family.py"},
    "source": {"{module}/model.py": "model.py", "tests/test_model.py": "test_model.py"},
    "diagnostic": {"{module}/diagnostic.py": "diagnostic.py", "tests/test_diagnostic.py": "test_diagnostic.py"},
}
"""Files that only this kind has, by the template they are rendered from; the others are those of `_templates`."""


@dataclass(frozen=True)
class NewPlugin:
    """A plugin that was written.

    Attributes
    ----------
    folder
        Its folder.
    files
        Its files, relative to the folder, in order.
    commands
        What to type next.
    """

    folder: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]


def new_plugin(name: str, dest: Path = Path(), kind: Kind = "group") -> NewPlugin:
    """Write a package with a working plugin and its tests into ``dest/symdiff-NAME``.

    Parameters
    ----------
    name
        Of the entry point, and of the family, model or (with ``_``) diagnostic.
    dest
        Folder in which the package's own folder is made.
    kind
        A group family, a source of a diffusion model, or a diagnostic.

    Raises
    ------
    UsageError
        A plugin cannot be called so.
    OutputError
        The folder exists and is not empty; nothing is ever overwritten.
    DiskError
        Writing failed.
    """
    check_name(name)
    folder = dest / f"symdiff-{name}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and nothing is overwritten", "choose another name or --dest")
    commands = _commands(name, folder, kind)
    rendered = _rendered(name, kind, commands)
    try:
        for place, text in rendered.items():
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        raise DiskError(
            f"cannot write {error.filename or folder}: {error.strerror}", "choose another --dest"
        ) from error
    return NewPlugin(folder, tuple(sorted(rendered)), commands)


def _commands(name: str, folder: Path, kind: Kind) -> tuple[str, ...]:
    uses = {
        "group": f"symdiff analyze --group {name}",
        "source": f"symdiff analyze {name}",
        "diagnostic": "symdiff analyze gaussian",
    }
    quoted = shlex.quote(str(folder))
    return (f"pip install -e {shlex.quote(f'{folder}[test]')}", f"pytest {quoted}", uses[kind])


def _rendered(name: str, kind: Kind, commands: tuple[str, ...]) -> dict[str, str]:
    from jinja2 import Environment, StrictUndefined

    module = f"symdiff_{name.replace('-', '_')}"
    values = {
        "name": name,
        "kind": kind,
        "module": module,
        "distribution": f"symdiff-{name}",
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "function": name.replace("-", "_"),
        "summary": SUMMARIES[kind],
        "commands": commands,
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    root = files("symdiff.scaffold") / "templates"
    return {
        place.format(module=module): environment.from_string(
            (root / f"{template}.j2").read_text(encoding="utf-8")
        ).render(values)
        for place, template in _templates(kind).items()
    }


def _templates(kind: Kind) -> dict[str, str]:
    return {
        "pyproject.toml": "common/pyproject.toml",
        ".gitignore": "common/gitignore",
        ".github/workflows/test.yml": "common/test.yml",
        "README.md": f"{kind}/README.md",
        "{module}/__init__.py": f"{kind}/__init__.py",
        **{place: f"{kind}/{template}" for place, template in FILES[kind].items()},
    }
