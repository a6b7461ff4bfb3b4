"""`symdiff new-plugin`: a package with a working plugin to start from."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome


class PluginKind(Enum):
    """What a plugin brings."""

    group = "group"
    source = "source"
    diagnostic = "diagnostic"


def new_plugin(
    name: Annotated[str, typer.Argument(help="Lower-case words joined by '-', such as colour-turns.")],
    dest: Annotated[Path, typer.Option(metavar="DIR", help="Where to make its folder; default: here.")] = Path(),
    kind: Annotated[PluginKind, typer.Option(help="A group family, a diffusion model or a diagnostic.")] = (
        PluginKind.group
    ),
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Write a package with a working plugin, its tests and CI into DIR/symdiff-NAME; overwrites nothing."""
    from symdiff.scaffold import new_plugin

    made = new_plugin(name, dest, kind.value)
    document = {
        "schema": "symdiff.new-plugin/1",
        "name": name,
        "kind": kind.value,
        "folder": str(made.folder),
        "files": list(made.files),
        "next": list(made.commands),
    }
    lines = [f"written: {made.folder} ({len(made.files)} files)", "", "next:", *(f"  {c}" for c in made.commands)]
    return Outcome(document, "\n".join(lines))
