"""The trained autoencoder of a finished run, for further work with it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from symdiff.config import RunConfig
from symdiff.errors import OutputError
from symdiff.hae import HAE
from symdiff.learned import LearnedRun
from symdiff.plugins import resolve
from symdiff.progress import Silent
from symdiff.result import load_result
from symdiff.rundir import RunDirectory


def load_autoencoder(run: Path | str, form: str | None = None) -> HAE:
    """Encoder, rho and decoder of a finished run, as its diagnostics saw them: in float64 on the CPU.

    The data of the run have to be there still: it is read again, or recorded again if the cache has lost it, because
    what a family knows of its elements it may know from the data alone.

    Parameters
    ----------
    run
        Its directory.
    form
        Name of a form of rho that was trained; default: the one that the run reports.

    Returns
    -------
    HAE
        ``encode([..., C, H, W]) -> [..., m]``, ``representation([..., *element_shape]) -> [..., m, m]``,
        ``decode([..., m]) -> [..., C, H, W]``.

    Raises
    ------
    OutputError
        There is no run, it trained nothing, or it trained no such form.
    SymdiffError
        The run is not finished, or its model, data or group family cannot be had any more.
    """
    folder = Path(run)
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError):
        raise OutputError(f"{folder} holds no run", "give the directory of a finished run") from None
    config, cls, options = resolve(RunConfig.model_validate(settings))
    load_result(folder)  # refuses an unfinished run
    if not (folder / "hae.safetensors").exists():
        raise OutputError(f"{folder} holds no autoencoder: its run trained none", "analyse without -o linear=jacobian")
    # Nothing is written. What the run was configured by may have gained options since, so it is not compared.
    directory = RunDirectory(config, folder, force=True)
    trained = LearnedRun(config, directory, torch.device("cpu"), Silent())
    trained.record()
    trained.open(cls.of(trained.recording.observation_shape, options).for_recording(trained.recording))
    return trained.autoencoder(form)
