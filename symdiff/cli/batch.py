"""`symdiff batch`: the runs of a study file, and how they stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import BatchError, InterruptedRunError

if TYPE_CHECKING:
    from symdiff.batch.directory import StudyDirectory
    from symdiff.batch.estimate import Estimate

app = typer.Typer(help="Many runs from one study file.")


@app.command()
def run(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.")],
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="What runs the runs: local, ray, or one of a plugin.")
    ] = "local",
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one, or one a GPU.")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs to spread the runs over; more jobs share them. Default: no choice.")
    ] = None,
    gpu_share: Annotated[
        float | None, typer.Option(metavar="F", help="The part of a GPU that a run takes, such as 0.25.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="A", help="Of the Ray cluster: HOST:PORT or auto; default: one begun for the study."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, metavar="S", help="Seconds after which a run counts as failed.")
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(min=0.001, max=1e9, metavar="GB", help="Memory at which a run is ended and counts as failed."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Only these runs: 'model=gaussian,seed!=0,affine.rho=lie*'.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Also run what failed before.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Begin nothing more once a run has failed.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Go on though the study was edited since its directory was begun.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs and what they will take, and do nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write; default: ./<study name>.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Run every run of a study that is not done yet, each in a process of its own.

    A run that fails leaves the others alone. The same command again goes on where it stopped. Ctrl-C once finishes
    what runs, twice stops it.
    """
    from symdiff.batch.directory import StudyDirectory
    from symdiff.batch.engine import Resources, find_engine, make_engine
    from symdiff.batch.running import Batch
    from symdiff.batch.selection import select
    from symdiff.batch.study import read_study
    from symdiff.cli.live import LiveTable, study_on_stderr

    find_engine(engine)
    limit = None if memory is None else round(memory * 1e9)
    resources = Resources(jobs, gpus, timeout, gpu_share, address, limit)
    plan = read_study(study)
    directory = StudyDirectory(plan, out or Path(plan.name), adopt=adopt)
    if dry_run:
        return _plan(directory, select(only, plan.runs, directory.records), resources.slots)
    with directory.held():
        chosen = select(only, plan.runs, directory.records)
        machine = make_engine(engine, resources)
        with study_on_stderr() as progress:
            batch = Batch(directory, machine, progress, fail_fast)
            if isinstance(progress, LiveTable):
                progress.follow(batch)
            state = batch.run(chosen, retry_failed=retry_failed)
        document = directory.status(state)
    return Outcome(document, _told(document, directory.path), _failure(document))


@app.command()
def status(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a study.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Show how the runs of a study stand, while it runs and after."""
    from symdiff.batch.directory import read_status

    document = read_status(directory)
    return Outcome(document, _told(document, directory))


def _plan(directory: StudyDirectory, chosen: list[str], jobs: int) -> Outcome:
    from symdiff.batch.estimate import estimate

    takes = estimate(directory, chosen, jobs)
    document = directory.status("planned")
    rows = [
        {"state": "cached" if run["state"] == "done" else run["state"]}
        | {key: run[key] for key in ("run_id", "label", "cause", "directory")}
        for run in document["runs"]
        if run["run_id"] in chosen
    ]
    shown = {"schema": "symdiff.study-plan/1", "name": document["name"], "directory": str(directory.path), "runs": rows}
    shown["estimate"] = takes.document()
    lines = [f"{row['state']:7} {row['run_id']}  {row['label']}" for row in rows]
    return Outcome(shown, "\n".join([*lines, f"{len(rows)} runs in {directory.path}", *_takes(takes)]))


def _takes(takes: Estimate) -> list[str]:
    """Return what the runs that are to do will take, and what that rests on."""
    from symdiff.cli.live import spell_time

    if not takes.runs:
        return ["nothing to do"]
    sources = ", ".join(f"{source} ({number})" for source, number in takes.seconds_from.items())
    return [
        f"disk: {takes.recording_bytes / 1e6:.3g} MB for {takes.recordings} recordings that are not in the cache, "
        f"{takes.run_bytes / 1e6:.3g} MB for {takes.runs} runs (by {takes.run_bytes_from})",
        f"time: {spell_time(takes.seconds)} with {takes.jobs} at a time (by {sources})",
    ]


def _told(document: dict[str, Any], directory: Path) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in document["counts"].items() if number)
    lines = [f"study {document['name']} is {document['state']}: {counts}"]
    for run in document["runs"]:
        if run["state"] == "failed":
            lines += [f"failed: {run['label']}: {run['cause']['message']}", f"  log: {directory / run['log']}"]
            lines += [f"  hint: {run['cause']['hint']}"] if run["cause"]["hint"] else []
    index = directory / "index.html"
    return "\n".join([*lines, f"report: {index}"] if index.exists() else lines)


def _failure(document: dict[str, Any]) -> BatchError | InterruptedRunError | None:
    number = document["counts"]["failed"]
    if document["state"] == "failed":
        return BatchError(
            f"{number} of {len(document['runs'])} runs failed", "the same command with --retry-failed runs them again"
        )
    if document["state"] == "stopped":
        return InterruptedRunError("the study is not finished", "the same command goes on from there")
    return None
