"""Directories of studies as `symdiff batch run` leaves them, written at once."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

from symdiff import __version__
from symdiff.config import RunConfig


def settings(model: str = "gaussian", group: str = "affine", seed: int = 0, **options: Any) -> dict[str, Any]:
    flat = RunConfig(model=model, group=group, seed=seed).model_dump(mode="json", exclude={"options", "device"})
    return flat | {f"{group}.{key}": value for key, value in options.items()}


def figure(value: float | None, better: str = "lower", **fields: Any) -> dict[str, Any]:
    ends = None if value is None else [value * 0.9, value * 1.1]
    return {"value": value, "interval": ends, "n": 64, "better": better} | fields


def figures(at: float) -> dict[str, Any]:
    return {
        "homomorphism_error": figure(at, null={"identity": 0.0, "permuted": 0.9, "permuted_p": 0.01}),
        "action_energy": figure(0.3 + at / 10, "higher"),
        "equivariance_skill": figure(1 - at, "higher", caution="few elements" if at > 0.5 else None),
        "prediction_error": figure(at / 3, null={"identity": 0.6, "pca": 0.05}),
        "reconstruction_error": figure(0.4 + at / 5),
    }


def result(
    run: dict[str, Any], diagnostics: dict[str, Any], decomposition: str | None = "irreducible", **fields: Any
) -> dict[str, Any]:
    prefix = f"{run['group']}."
    options = {key.removeprefix(prefix): value for key, value in run.items() if key.startswith(prefix)}
    config = {key: value for key, value in run.items() if not key.startswith(prefix)} | {"options": options}
    return {
        "schema": "symdiff.result/1",
        "symdiff_version": __version__,
        "group": run["group"],
        "model": run["model"],
        "config": config,
        "diagnostics": diagnostics,
        "decomposition": decomposition and {"verdict": decomposition},
        "verdict": {"structured": "supported", "reason": "", "claims": {}},
    } | fields


def write_run(directory: Path, document: dict[str, Any]) -> Path:
    directory.mkdir(parents=True)
    (directory / "result.json").write_text(json.dumps(document))
    (directory / "report.html").write_text("<p>report</p>")
    (directory / "status.json").write_text('{"state": "done"}')
    return directory


def write_study(path: Path, runs: list[dict[str, Any]], name: str = "tiny") -> Path:
    """Each of `runs` has ``settings`` and, if it is done, ``diagnostics``, else perhaps a ``cause``."""
    described, told = {}, []
    for number, run in enumerate(runs):
        run_id = f"r{number:03d}-{run['settings']['group']}"
        described[run_id] = {"label": run_id, "settings": run["settings"], "plugins": run.get("plugins", {})}
        state = "done" if "diagnostics" in run else "failed" if "cause" in run else "todo"
        if state == "done":
            write_run(path / "runs" / run_id, result(run["settings"], run["diagnostics"], **run.get("fields", {})))
        cause = {"code": "internal", "message": run["cause"], "hint": ""} if "cause" in run else None
        kept = {"state": state, "cached": False, "cause": cause, "seconds": 1.0, "attempts": 1}
        told.append({"run_id": run_id, "label": run_id, "log": f"logs/{run_id}.log", **kept})
    path.mkdir(exist_ok=True)
    (path / "study.json").write_text(json.dumps({"schema": "symdiff.study/1", "name": name, "runs": described}))
    counts = Counter(run["state"] for run in told)
    document = {
        "schema": "symdiff.study-status/1",
        "name": name,
        "state": "done",
        "counts": dict(counts),
        "runs": told,
    }
    (path / "status.json").write_text(json.dumps(document))
    return path


def grid(seeds: int = 3, models: tuple[str, ...] = ("gaussian", "digits"), rhos: int = 2) -> list[dict[str, Any]]:
    """Runs of some models and settings; the error grows with the setting and a little with the seed."""
    return [
        {
            "settings": settings(model, seed=seed, rho=f"form-{rho}"),
            "diagnostics": figures(0.02 * (1 + rho) ** 2 * (1 + place) + 0.001 * seed),
        }
        for (place, model), rho, seed in itertools.product(enumerate(models), range(rhos), range(seeds))
    ]
