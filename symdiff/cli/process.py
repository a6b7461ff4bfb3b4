"""`symdiff process`: what the reverse steps of a model are as group elements, without training anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from symdiff.cli.flags import (
    Count,
    Data,
    Debug,
    Device,
    Guidance,
    Json,
    Label,
    Model,
    Quiet,
    SamplerName,
    Seed,
    Steps,
    Verbose,
)
from symdiff.cli.outcome import Outcome

FILES = ("process.json", "process.html")


def process(
    model: Model = None,
    *,
    sampler: SamplerName = None,
    label: Label = None,
    guidance: Guidance = None,
    steps: Steps = None,
    trajectories: Count = None,
    data: Data = None,
    thorough: Annotated[
        bool | None, typer.Option("--thorough", help="The bound at all times and on all images; resample more.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help=f"Write {' and '.join(FILES)} there.")
    ] = None,
    seed: Seed = None,
    device: Device = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Describe the reverse process of MODEL, a model or a recorded directory, without training anything.

    Whether one affine map explains each step, whether the steps compose and commute, how good the model is on held-out
    images, and what the elements of the run are in each gauge.
    """
    from symdiff.settings import gather

    given = {
        "model": model,
        "sampler": sampler,
        "label": label,
        "guidance": guidance,
        "steps": steps,
        "trajectories": trajectories,
        "data": data,
        "thorough": thorough,
        "seed": seed,
        "device": device,
    }
    settings = gather(given, command="process")
    from symdiff.cli.progress import progress_on_stderr
    from symdiff.process import read_images
    from symdiff.process.document import process_document
    from symdiff.rundir import refuse_unwritable
    from symdiff.trajectories.device import resolve_device

    if out is not None:
        refuse_unwritable(out)
    device_found = resolve_device(settings.device)
    images = None if settings.data is None else read_images(Path(settings.data).expanduser())
    with progress_on_stderr() as progress:
        document = process_document(
            settings.model,
            sampler=settings.sampler,
            label=settings.label,
            guidance=settings.guidance,
            steps=settings.steps,
            trajectories=settings.trajectories,
            seed=settings.seed,
            thorough=settings.thorough,
            device=device_found,
            data=images,
            progress=progress,
        )
    written = [] if out is None else _write(out, document)
    return Outcome(document, _summary(document, written))


def _write(out: Path, document: dict[str, Any]) -> list[Path]:
    from symdiff.report import write_process_page
    from symdiff.rundir import write_document
    from symdiff.trajectories.appearing import disk_errors

    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    file, page = (out / name for name in FILES)
    write_document(file, document)
    return [file, write_process_page(document, page)]


def _summary(document: dict[str, Any], written: list[Path]) -> Any:
    """What was found, sentence by sentence, then where it is written."""
    from rich.console import Group
    from rich.text import Text

    recording = document["recording"]
    head = (
        f"{document['model']}: {recording['trajectories']} trajectories of {recording['steps']} steps, maps fitted on "
        f"{recording['fitted_on']} and judged on {recording['judged_on']}"
    )
    sentences = [Text.assemble("- ", sentence) for sentence in document["process"]["words"]]
    warnings = [f"warning: {warning}" for warning in document["warnings"]]
    return Group(head, "", *sentences, "", *warnings, *(f"written: {path}" for path in written))
