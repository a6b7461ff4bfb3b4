"""Flags that several commands share."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from symdiff.cli.verbosity import set_level


def _quiet(given: bool) -> bool:
    if given:
        set_level(logging.ERROR)
    return given


def _verbose(count: int) -> int:
    if count:
        set_level(logging.DEBUG if count > 1 else logging.INFO)
    return count


# How much is told on stderr. The callbacks do the work; the commands only declare them.
Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=_quiet, help="Errors only: no progress, no warnings.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, callback=_verbose, help="Log more; -vv: all.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout, on failure too.")]

MODEL = (
    "The diffusion model: digits (default), mnist, gaussian, mixture, a recorded directory, diffusers:PATH, "
    "python:package.module:factory or FILE.py:factory."
)

# Settings: None means not given, so that environment, file and default can speak.
Model = Annotated[str | None, typer.Argument(metavar="[MODEL]", help=MODEL)]
ModelOrSequences = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help=f"{MODEL} Or no model: sequences:FILE, observed sequences.")
]
SamplerName = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="NAME",
        help="ddpm, ddim, euler, euler-ancestral, heun, dpmsolver++, sde-dpmsolver++, edm or flow-euler, with settings "
        "as in ddim:eta=0.5 or dpmsolver++:order=3,karras=true; default: the model's own, else ddpm.",
    ),
]
Label = Annotated[int | None, typer.Option(metavar="N", help="The class, of a class-conditional model.")]
Guidance = Annotated[
    float | None, typer.Option(metavar="W", help="Scale of classifier-free guidance to the class; default: none.")
]
Steps = Annotated[int | None, typer.Option(help="Reverse steps of a trajectory; default: 50.")]
Count = Annotated[int | None, typer.Option("--trajectories", help="Trajectories to record; default: 512.")]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Held-out images for the bound, n x C x H x W from -1 to 1 (.npy, .npz, .safetensors); default: its own.",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random; default: 0.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; default: auto.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to write; default: runs/<id>.")]
