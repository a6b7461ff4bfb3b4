"""`symdiff record`: sample a diffusion model and keep every state on the way."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from symdiff.cli.flags import (
    Count,
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

log = logging.getLogger(__name__)


def record(
    model: Model = None,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The store to write; must not exist yet.")],
    sampler: SamplerName = None,
    label: Label = None,
    guidance: Guidance = None,
    steps: Steps = None,
    trajectories: Count = None,
    seed: Seed = None,
    device: Device = None,
    clip: Annotated[bool, typer.Option("--clip", help="Clip predicted images to [-1, 1] in every step.")] = False,
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="FORMAT", help="Of the states on disk: fp32, bf16 or fp16.")
    ] = "fp32",
    every: Annotated[
        int, typer.Option("--every", metavar="K", help="Keep every K-th state, and the first and the last.")
    ] = 1,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Record reverse-process trajectories of MODEL into DIR: safetensors shards and a manifest with checksums.

    The shards appear while sampling goes on. Whatever ends it, the same command goes on from those that are there.
    """
    from symdiff.settings import gather

    given = {
        "model": model,
        "sampler": sampler,
        "label": label,
        "guidance": guidance,
        "steps": steps,
        "trajectories": trajectories,
        "seed": seed,
        "device": device,
    }
    settings = gather(given, command="record")
    from symdiff.cli.progress import progress_on_stderr
    from symdiff.models import find_denoiser, find_sampler
    from symdiff.rundir import refuse_unwritable
    from symdiff.trajectories.cache import record_store
    from symdiff.trajectories.device import resolve_device
    from symdiff.trajectories.precision import cost
    from symdiff.trajectories.store import read_manifest
    from symdiff.trajectories.thinning import ordinal

    refuse_unwritable(out)
    settled = {key: getattr(settings, key) for key in given} | {"dtype": dtype, "every": every, "clip": clip}
    if (warning := cost(dtype)) is not None:
        log.warning("%s", warning)
    device_found = resolve_device(settings.device)
    find_sampler(settings.sampler)  # a name that is none is told before a model is loaded
    denoiser = find_denoiser(settings.model, settings.label, settings.guidance)
    chosen = find_sampler(settings.sampler, denoiser)
    with progress_on_stderr() as progress:
        progress.phase("record")
        held = record_store(
            out,
            denoiser,
            chosen,
            settings.steps,
            settings.trajectories,
            settings.seed,
            device_found,
            clip=clip,
            every=every,
            dtype=dtype,
            command=spell_command(settled, out),
            on_progress=progress.update,
            on_resume=lambda found: progress.phase(f"resuming: {found}"),
        )
    manifest = read_manifest(out)
    clipping = manifest["info"].get("clipping")
    told = list(denoiser.caveats)
    if clipping is not None:
        told.append(f"{clipping}: the step is then no linear function of it")
    document: dict[str, Any] = {
        "schema": "symdiff.recording/1",
        "directory": str(out),
        "from_cache": held,
        "model": settings.model,
        "sampler": chosen.name,
        "steps": settings.steps,
        "every": every,
        "dtype": dtype,
        "trajectories": manifest["trajectories"],
        "observation_shape": manifest["observation_shape"],
        "shards": len(manifest["shards"]),
        "warnings": [*([] if warning is None else [warning]), *told],
    }
    done = "held already" if held else "recorded"
    shape = " x ".join(map(str, document["observation_shape"]))
    kept = f", every {ordinal(every)} state" if every > 1 else ""
    kept += f", in {dtype}" if dtype != "fp32" else ""
    lines = [f"{done} in {out}: {document['trajectories']} trajectories of {settings.steps} steps, {shape}{kept}"]
    return Outcome(document, "\n".join(lines + [f"warning: {caveat}" for caveat in told]))


def spell_command(settings: Mapping[str, Any], out: Path) -> str:
    """Return the command that records this, whatever the environment says where it is typed."""
    words = ["symdiff", "record", str(settings["model"]), "--out", str(out.absolute())]
    for key, value in settings.items():
        flag = "--" + key.replace("_", "-")
        if value is True:
            words.append(flag)
        elif key != "model" and value is not None and value is not False:
            words += [flag, str(value)]
    return shlex.join(words)
