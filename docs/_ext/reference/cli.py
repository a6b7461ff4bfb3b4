"""Every command with its arguments and flags, from the parser itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from reference.table import code, table
from symdiff.settings import Settings

NAMES = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
"""What a flag takes where it does not say so itself."""


def commands() -> list[tuple[str, Any]]:
    """Every command that does something: ``"batch run"`` and its parser, in the order of ``--help``."""
    from typer.main import get_command

    from symdiff.cli.app import app

    return list(_below(get_command(app), ""))


def _below(group: Any, prefix: str) -> Any:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def markdown() -> str:
    """A section a command."""
    return "\n".join(section(name, command) for name, command in commands())


def section(name: str, command: Any) -> str:
    """What a command does, how it is called, and its flags."""
    arguments = [part for part in command.params if part.param_type_name == "argument"]
    options = [part for part in command.params if part.param_type_name == "option"]
    usage = " ".join([f"symdiff {name}", *(_called(part) for part in arguments), "[OPTIONS]"])
    text = f"## symdiff {name}\n\n{_prose(command.help)}\n\n```text\n{usage}\n```\n\n"
    if arguments:
        rows = [(code(_called(part)), getattr(part, "help", "") or "") for part in arguments]
        text += table(["argument", "meaning"], rows) + "\n"
    rows = [(_flags(part), code(_takes(part)), code(_default(part)), part.help or "") for part in options]
    return text + table(["flag", "takes", "default", "meaning"], rows)


def _called(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    if name.startswith("[") or argument.required:
        return name + ("..." if argument.nargs == -1 and not name.endswith("...") else "")
    return f"[{name}]"


def _flags(option: Any) -> str:
    return ", ".join(code(flag) for flag in [*option.opts, *option.secondary_opts])


def _takes(option: Any) -> str:
    if option.is_flag or option.count:
        return ""
    kind = option.type_descriptor.annotation
    name = option.metavar or NAMES.get(next(iter(getattr(kind, "__args__", (kind,)))), "TEXT")
    return f"{name} (repeatable)" if option.multiple else str(name)


def _default(option: Any) -> str:
    """What the parser itself fills in, or the default of the setting that a flag is of."""
    value = option.default
    if value is None and option.name in Settings.model_fields:
        value = Settings.model_fields[option.name].default
        value = ", ".join(value) if isinstance(value, tuple) else value
    if option.count:
        return ""
    return (
        ""
        if value is None or callable(value) or value is PydanticUndefined or value is False or value in ("", (), [])
        else str(value)
    )


def _prose(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").replace("\b", "").split("\n\n"))
