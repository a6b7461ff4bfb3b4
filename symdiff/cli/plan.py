"""What `symdiff analyze` is going to do: everything is checked before any work starts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symdiff.cli.outcome import Outcome
from symdiff.config import RunConfig
from symdiff.errors import ConfigError, OutputError
from symdiff.gates import Gate, parse_gate
from symdiff.models import check_model, find_sampler
from symdiff.plugins import load_plugins, resolve
from symdiff.report.glossary import names
from symdiff.rundir import RunDirectory
from symdiff.settings import Settings
from symdiff.trajectories import is_recording, is_sequences, read_sequences, refuse_longer
from symdiff.trajectories.device import resolve_device


@dataclass(frozen=True)
class Plan:
    """The runs in order, each with the directory it goes to, and the gates their results have to pass.

    `comparison` is the directory of the runs if there are several, else ``None``.
    """

    runs: tuple[tuple[RunConfig, RunDirectory], ...]
    gates: tuple[Gate, ...]
    comparison: Path | None


def make_plan(settings: Settings) -> Plan:
    """Resolve every run, and look at every directory, without touching anything.

    Raises
    ------
    PluginError, ConfigError, ModelError, UsageError, DeviceError, OutputError
        What the settings ask for cannot be done.
    """
    configs = [resolve(config)[0] for config in settings.runs()]
    diagnostics = {*names(), *load_plugins().diagnostics}
    gates = tuple(parse_gate(text, diagnostics) for text in settings.fail_on)
    resolve_device(settings.device)
    if len(configs) == 1:
        directory = RunDirectory(configs[0], settings.out, force=settings.force)
        _check_source(settings, [directory])
        return Plan(((configs[0], directory),), gates, None)
    root = settings.out or Path("runs") / _comparison_id(configs)
    if (root / "config.json").exists():
        raise OutputError(f"{root} holds a single run, not a comparison", "give another --out")
    runs = tuple(
        (config, RunDirectory(config, root / name, force=settings.force))
        for config, name in zip(configs, _names(configs), strict=True)
    )
    _check_source(settings, [directory for _, directory in runs])
    return Plan(runs, gates, root)


def _check_source(settings: Settings, directories: list[RunDirectory]) -> None:
    """Refuse a model, a sampler or a length that cannot be had, without loading the model."""
    if is_recording(settings.model) or all(directory.state == "finished" for directory in directories):
        return
    if is_sequences(settings.model):
        refuse_longer(read_sequences(settings.model), settings.length, settings.model)
        return
    check_model(settings.model)
    find_sampler(settings.sampler)
    if settings.length > settings.steps:
        raise ConfigError(
            f"--length is {settings.length}, but trajectories have {settings.steps} steps",
            f"choose a length from 1 to {settings.steps}, or more --steps",
        )


def describe_plan(plan: Plan) -> Outcome:
    """Return what ``--dry-run`` shows."""
    runs: list[dict[str, Any]] = [
        {
            "run_id": config.run_id,
            "directory": str(directory.path),
            "state": directory.state,
            "cached": directory.state == "finished",
            "config": config.model_dump(mode="json"),
        }
        for config, directory in plan.runs
    ]
    document = {"schema": "symdiff.plan/1", "runs": runs, "fail_on": [str(gate) for gate in plan.gates]}
    lines = []
    for run in runs:
        doing = {"new": "to do", "unfinished": "to be resumed", "finished": "answered from cache"}[run["state"]]
        lines.append(f"{run['run_id']} in {run['directory']}: {doing}")
        lines += [f"  {key} = {value}" for key, value in run["config"].items() if value is not None]
    return Outcome(document, "\n".join(lines))


def _names(configs: list[RunConfig]) -> list[str]:
    """Return ``group`` for the only run of a group, ``group-1``, ``group-2``, ... for candidates."""
    total = Counter(config.group for config in configs)
    seen: Counter[str] = Counter()
    found = []
    for config in configs:
        seen[config.group] += 1
        found.append(config.group if total[config.group] == 1 else f"{config.group}-{seen[config.group]}")
    return found


def _comparison_id(configs: list[RunConfig]) -> str:
    digest = hashlib.sha256(" ".join(config.config_hash() for config in configs).encode()).hexdigest()
    return f"comparison-{digest[:10]}"
