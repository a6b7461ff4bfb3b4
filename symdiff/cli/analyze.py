"""`symdiff analyze`: record, train, diagnose, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.flags import (
    Count,
    Data,
    Debug,
    Device,
    Guidance,
    Json,
    Label,
    ModelOrSequences,
    Out,
    Quiet,
    SamplerName,
    Seed,
    Steps,
    Verbose,
)
from symdiff.cli.outcome import Outcome, error_document
from symdiff.errors import GateError
from symdiff.garbage import importing

if TYPE_CHECKING:
    from symdiff.cli.plan import Plan
    from symdiff.config import RunConfig
    from symdiff.result import Result
    from symdiff.rundir import RunDirectory
    from symdiff.settings import Settings


def analyze(
    model: ModelOrSequences = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Group family; repeat for several runs. Default: affine.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="Option of the family; FAMILY.KEY=VALUE with several groups."
        ),
    ] = None,
    sampler: SamplerName = None,
    label: Label = None,
    guidance: Guidance = None,
    steps: Steps = None,
    trajectories: Count = None,
    length: Annotated[int | None, typer.Option(help="Actions N of a training sequence; default: 4.")] = None,
    latent: Annotated[int | None, typer.Option(help="Latent dimension m; default: the family's own.")] = None,
    train_steps: Annotated[int | None, typer.Option(help="Optimiser steps; default: the family's own.")] = None,
    compare_forms: Annotated[
        bool | None, typer.Option("--compare-forms", help="Also train the other forms of the representation.")
    ] = None,
    thorough: Annotated[bool | None, typer.Option("--thorough", help="Train longer and resample more.")] = None,
    plain: Annotated[
        bool | None,
        typer.Option("--plain", help="Train by the algorithm as it is published: slower, the same up to rounding."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of these flags, underscores for dashes.")
    ] = None,
    data: Data = None,
    out: Out = None,
    device: Device = None,
    seed: Seed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    force: Annotated[bool | None, typer.Option("--force", help="Overwrite what the directory holds.")] = None,
    rescore: Annotated[
        bool | None, typer.Option("--rescore", help="Compute the diagnostics of a finished run again.")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Exit with 5 if it holds: 'homomorphism_error>0.1'. Repeatable."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Ask whether a diffusion process is group-structured, and write a report.

    The same command again is answered from its directory, or goes on where it stopped.
    """
    from symdiff.settings import gather

    settings = gather(
        {
            "model": model,
            "group": group or None,
            "options": option or None,
            "sampler": sampler,
            "label": label,
            "guidance": guidance,
            "steps": steps,
            "trajectories": trajectories,
            "length": length,
            "latent": latent,
            "train_steps": train_steps,
            "compare_forms": compare_forms,
            "thorough": thorough,
            "plain": plain,
            "data": data,
            "out": out,
            "device": device,
            "seed": seed,
            "force": force,
            "rescore": rescore,
            "fail_on": fail_on or None,
        },
        config,
    )
    with importing():  # all at once, before there are plugins
        import symdiff.analyze  # noqa: F401
        from symdiff.cli.plan import describe_plan, make_plan

    plan = make_plan(settings)
    if dry_run:
        return describe_plan(plan)
    return _one(plan, settings) if plan.comparison is None else _several(plan, plan.comparison, settings)


def _one(plan: Plan, settings: Settings) -> Outcome:
    [(config, directory)] = plan.runs
    result = _run(config, directory, settings)
    return Outcome(_document(result), _summary(result, directory.path), _gate(plan, {directory.path.name: result}))


def _several(plan: Plan, root: Path, settings: Settings) -> Outcome:
    """Run one after the other; a run that fails leaves the others alone."""
    from rich.console import Group

    from symdiff.errors import RunError
    from symdiff.report import in_words, ranking, write_index
    from symdiff.report.candidates import as_document
    from symdiff.report.manifolds import manifold_ranking, manifolds_as_document, manifolds_in_words
    from symdiff.rundir import write_document

    entries: list[dict[str, Any]] = []
    texts: list[Any] = []
    results: dict[str, Result] = {}
    failure: RunError | None = None
    for config, directory in plan.runs:
        name = directory.path.name
        try:
            results[name] = _run(config, directory, settings)
        except RunError as error:
            failure = failure or error
            entries.append({"group": config.group, "status": "failed", "error": error_document(error)})
            texts.append(f"{name}: failed: {error.message}\n")
        else:
            entries.append(_document(results[name]))
            texts += [f"{name}:", _summary(results[name], directory.path), ""]
        entries[-1]["directory"] = str(directory.path)
    candidates = ranking(results)
    manifolds = manifold_ranking(results)
    document = {"schema": "symdiff.comparison/1", "runs": entries, "ranking": as_document(candidates)}
    if manifolds:
        document["manifolds"] = manifolds_as_document(manifolds)
    texts += [*in_words(candidates), *manifolds_in_words(manifolds)]
    write_document(root / "comparison.json", document)
    write_index([directory.path for _, directory in plan.runs], root / "index.html")
    return Outcome(document, Group(*texts), failure or _gate(plan, results))


def _run(config: RunConfig, directory: RunDirectory, settings: Settings) -> Result:
    from symdiff.analyze import analyze as run
    from symdiff.cli.progress import progress_on_stderr
    from symdiff.cli.verbosity import is_quiet

    if directory.state == "finished" and not settings.rescore and not is_quiet():
        print(f"answered from {directory.path}; --force runs it again", file=sys.stderr)
    with progress_on_stderr() as progress:
        return run(config, directory.path, force=settings.force, rescore=settings.rescore, progress=progress)


def _document(result: Result) -> dict[str, Any]:
    document: dict[str, Any] = loads(result.to_json())
    return document


def _gate(plan: Plan, results: Mapping[str, Result]) -> GateError | None:
    tripped = [
        reason if len(results) == 1 else f"{name}: {reason}"
        for name, result in results.items()
        for gate in plan.gates
        if (reason := gate.explain(result.diagnostics)) is not None
    ]
    return GateError("; ".join(tripped), "the run itself finished, its result stands") if tripped else None


def _summary(result: Result, directory: Path) -> Any:
    """Verdict first, then the diagnostics, then where the rest is."""
    from rich.console import Group
    from rich.table import Column, Table

    # A name that is cut off or broken cannot be looked up, nor used with --fail-on.
    columns = (Column(name, no_wrap=True) for name in ("diagnostic", "value", "interval"))
    table = Table(*columns, Column("caution", overflow="fold"), box=None, pad_edge=False)
    for name, estimate in result.diagnostics.items():
        interval = (
            "" if estimate.interval is None else f"[{_number(estimate.interval[0])}, {_number(estimate.interval[1])}]"
        )
        table.add_row(name, _number(estimate.value), interval, estimate.caution or "")
    claims = [claim.evidence for claim in result.verdict.claims.values()]
    lines = [f"{result.model} under {result.title or f'the {result.group} group'}: {result.verdict.structured}"]
    if not any(evidence and evidence in result.verdict.reason for evidence in claims):
        lines[0] += f". {result.verdict.reason}"  # not told by the claims
    lines += [f"  {name}: {claim.status}. {claim.evidence}" for name, claim in result.verdict.claims.items()]
    report = directory / "report.html"
    where = f"report: {report}" if report.exists() else f"result: {directory / 'result.json'}"
    return Group(*lines, "", table, "", *(f"warning: {warning}" for warning in result.warnings), where)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
