"""One run, from a model to a report: what the command line, batch workers and notebooks all call."""

from __future__ import annotations

from pathlib import Path

from symdiff.config import RunConfig
from symdiff.errors import OutputError
from symdiff.learned import LearnedRun
from symdiff.linearised import LinearisedRun
from symdiff.plugins import load_plugins, resolve
from symdiff.process import read_images
from symdiff.progress import Progress, Silent
from symdiff.report import write_report
from symdiff.result import Result
from symdiff.run import Run
from symdiff.rundir import RunDirectory
from symdiff.trajectories import resolve_device
from symdiff.warned import warnings_kept


def analyze(
    config: RunConfig,
    out: Path | None = None,
    *,
    force: bool = False,
    rescore: bool = False,
    progress: Progress | None = None,
    memory: int | None = None,
) -> Result:
    """Record trajectories, train the autoencoder, diagnose it, and write a run directory.

    Parameters
    ----------
    config
        What to do; options of the family may be left out.
    out
        Run directory; ``runs/<run id>`` if ``None``. A finished run of the same configuration is answered from it,
        an unfinished one is gone on with.
    force
        Overwrite what the directory holds.
    rescore
        Compute diagnostics, verdict and report of a finished run again, from its trained models.
    progress
        Told of every phase and step.
    memory
        Bytes that states may take up in memory, a quarter of the machine's by default: a larger recording is trained on
        from disk, and diagnostics rest on the held-out trajectories that fit.

    Raises
    ------
    SymdiffError
        By kind: refused before work starts, failed while running, plugin unavailable, interrupted.
    """
    config, family, options = resolve(config)
    directory = RunDirectory(config, out, force=force)
    if directory.state == "finished" and not rescore:
        return directory.result()
    if rescore and directory.state != "finished":
        raise OutputError(f"{directory.path} holds no finished run to rescore", "run it first, without --rescore")
    device = resolve_device(config.device)
    data = None if config.data is None else read_images(Path(config.data).expanduser())
    earlier = directory.result() if rescore else None
    with directory.writing(), warnings_kept() as caught:
        # A shape is needed to ask how the family works: that its steps are linearised does not depend on which.
        kind: type[Run] = LearnedRun if family.of((1, 1, 1), options).linearisation() is None else LinearisedRun
        run = kind(config, directory, device, progress or Silent(), data, memory)
        run.record()
        run.open(family.of(run.recording.observation_shape, options).for_recording(run.recording))
        result = run.answer(caught, earlier).model_copy(update={"timing": dict(run.timing)})
        with run.phase("report"):
            result.write(directory / "result.json")
            write_report(directory.path)
        result = result.model_copy(update={"timing": run.timing})
        directory.finish(result)
    load_plugins().run_finished(result, directory.path)
    return result
