"""`symdiff world`: images moved by known actions, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Seed, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import OutputError, UsageError

SCHEMA = "symdiff.world/1"


def world(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A name that --list shows.")] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.npz", help="The file to write.")] = None,
    sequences: Annotated[int, typer.Option(min=1, metavar="B", help="Sequences.")] = 1000,
    length: Annotated[int, typer.Option(min=1, metavar="N", help="Actions of a sequence.")] = 8,
    seed: Seed = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the worlds there are.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Make images moved by known actions: a test of whether the structure of a group is found.

    FILE.npz holds observations [B, N+1, C, H, W], actions [B, N, A], the true factors [B, N+1, F] and meta, the law as
    JSON. The same arguments give the same bytes.
    """
    from symdiff import worlds

    if list_:
        if name is not None or out is not None:
            raise UsageError("--list takes no other argument", "leave out NAME and --out")
        kinds = list(worlds.WORLDS.values())
        document = [{"name": kind.name, "group": kind.group, "summary": kind.summary} for kind in kinds]
        width = max(len(kind.name) for kind in kinds)
        lines = [f"{kind.name:{width}}  {kind.group}: {kind.summary}" for kind in kinds]
        return Outcome({"schema": "symdiff.worlds/1", "worlds": document}, "\n".join(lines))
    if name is None or out is None:
        raise UsageError("a world needs a name and a file", "symdiff world displaced --out displaced.npz")
    if out.suffix != ".npz":
        raise UsageError(f"--out is {out}: must end in .npz", f"for example: {out.stem}.npz")
    if out.is_dir():
        raise OutputError(f"{out} is a folder", "give --out a file")
    from symdiff.settings import gather

    settings = gather({"seed": seed}, command="world")
    episodes = worlds.make_world(name, sequences, length, settings.seed)
    worlds.save_world(episodes, out)
    shapes = {what: list(getattr(episodes, what).shape) for what in ("observations", "actions", "factors")}
    lines = [f"written: {out}", *(f"  {what} {shape}" for what, shape in shapes.items())]
    return Outcome({"schema": SCHEMA, "file": str(out), "shapes": shapes, "meta": episodes.meta}, "\n".join(lines))
