"""The commands of `symdiff`. Importing this must not import torch: `symdiff --help` answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

from symdiff import __version__
from symdiff.cli import batch, plugins
from symdiff.cli.analyze import analyze
from symdiff.cli.compare import compare
from symdiff.cli.decompose import decompose
from symdiff.cli.doctor import doctor
from symdiff.cli.new_plugin import new_plugin
from symdiff.cli.process import process
from symdiff.cli.record import record
from symdiff.cli.report import report
from symdiff.cli.world import world

app = typer.Typer(
    name="symdiff",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"symdiff {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def symdiff(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Is a diffusion process group-structured, under which group, into which parts, and how sure are we?"""


for command in (analyze, record, process, decompose, report, compare, world, new_plugin, doctor):
    app.command()(command)
app.add_typer(batch.app, name="batch")
app.add_typer(plugins.app, name="plugins")
