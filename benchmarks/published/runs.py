"""The command line's analysis of a world, kept in a folder, and the autoencoders it trained."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.published.worlds import CONVOLUTIONS, Task
from symdiff import HAE, RunConfig, analyze, load_autoencoder
from symdiff.result import Result
from symdiff.worlds import make_world
from symdiff.worlds.archive import save_world

SEQUENCES, LENGTH = 4000, 8


@dataclass(frozen=True)
class Analysed:
    """A finished run.

    Attributes
    ----------
    result
        What `symdiff analyze` found.
    trained, reported
        The autoencoder as training left it, and in the form that is reported; both in float64.
    seconds
        CPU seconds of the analysis; ``None`` where it was finished before.
    """

    result: Result
    trained: HAE
    reported: HAE
    seconds: float | None


def analysed(folder: Path, world: str, seed: int, task: Task) -> Analysed:
    """``symdiff analyze sequences:WORLD.npz --group actions`` in a directory of its own below `folder`.

    A finished run is answered from its directory, an unfinished one is gone on with.
    """
    file = folder / f"{world}-{seed}.npz"
    if not file.exists():
        save_world(make_world(world, SEQUENCES, LENGTH, seed=seed), file)
    chosen = CONVOLUTIONS | dict(task.options)
    config = RunConfig(
        model=f"sequences:{file}", group="actions", options=chosen, latent=task.latent, length=task.length,
        train_steps=task.steps,
        seed=seed, device="cpu",
    )  # fmt: skip
    directory = folder / config.run_id
    finished = (directory / "result.json").exists()
    start = time.process_time()
    result = analyze(config, directory)
    seconds = None if finished else time.process_time() - start
    return of_run(directory, result, seconds)


def of_run(directory: Path, result: Result, seconds: float | None = None) -> Analysed:
    """What a finished run has left in its directory."""
    reported = load_autoencoder(directory)
    before = reported.representation.form.removesuffix("-projected")
    return Analysed(result, load_autoencoder(directory, before), reported, seconds)
