"""Recording to disk, and the content-addressed cache that spares a second recording."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs
import torch

from symdiff.diffusion import Denoiser, Sampler
from symdiff.errors import DiskError, InterruptedRunError, OutputError, StoreError
from symdiff.trajectories.appearing import discard, disk_errors
from symdiff.trajectories.claim import claimed
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.ongoing import ONGOING, Ongoing
from symdiff.trajectories.precision import storage_dtype
from symdiff.trajectories.recipe import Recipe
from symdiff.trajectories.recording import OnProgress, Recorder
from symdiff.trajectories.store import is_recording, load_store, read_manifest

log = logging.getLogger(__name__)

OnResume = Callable[[str], None]
"""Called with what was found of an earlier attempt, such as ``3 of 8 shards are there``."""


def cache_directory() -> Path:
    """``$SYMDIFF_CACHE``, by default the user's cache folder (XDG)."""
    chosen = os.environ.get("SYMDIFF_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("symdiff")


def store_key(
    denoiser: Denoiser,
    sampler: Sampler,
    steps: int,
    trajectories: int,
    seed: int = 0,
    *,
    clip: bool = False,
    every: int = 1,
    dtype: str = "fp32",
) -> str:
    """The name of a recording in the cache: a SHA-256 of everything its numbers depend on."""
    return Recipe(denoiser, sampler, steps, trajectories, seed, clip, every, dtype).key


def recorded(
    denoiser: Denoiser,
    sampler: Sampler,
    steps: int,
    trajectories: int,
    seed: int = 0,
    device: str | torch.device = "auto",
    *,
    batch_size: int | None = None,
    clip: bool = False,
    cache: Path | None = None,
    memory: int | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Trajectories, bool]:
    """The recording from the cache, made first if it is not there, or finished if it was begun.

    Takes and raises what `record` does, besides:

    Parameters
    ----------
    cache
        Folder of the stores; ``cache_directory() / "trajectories"`` if ``None``. Where another process is recording
        the same, its recording is waited for.
    memory
        As in `load_store`: a larger recording stays on disk.

    Returns
    -------
    tuple
        The recording, and whether it came from the cache. A damaged entry is recorded again, with a warning.

    Raises
    ------
    DiskError
        The cache cannot be written. Finished shards are kept, and the same call goes on from there.
    """
    recipe = Recipe(denoiser, sampler, steps, trajectories, seed, clip)
    directory = (cache or cache_directory() / "trajectories") / recipe.key[:32]
    if _present(directory / "manifest.json"):
        try:
            return load_store(directory, memory), True
        except StoreError as error:
            warnings.warn(f"recording again, as the cache is damaged: {error}", RuntimeWarning, stacklevel=2)
            discard(directory)
    held = _write(directory, recipe, Recorder(recipe, device, batch_size, on_progress), wait=True)
    return load_store(directory, memory), held


def record_store(
    directory: str | Path,
    denoiser: Denoiser,
    sampler: Sampler,
    steps: int,
    trajectories: int,
    seed: int = 0,
    device: str | torch.device = "auto",
    *,
    batch_size: int | None = None,
    clip: bool = False,
    every: int = 1,
    dtype: str = "fp32",
    command: str = "",
    on_progress: OnProgress | None = None,
    on_resume: OnResume | None = None,
) -> bool:
    """Record into `directory` while sampling, with two blocks of states in memory, and go on with what is there of it.

    Takes and raises what `record` does, besides:

    Parameters
    ----------
    dtype
        Number format of the states on disk: fp32, bf16 or fp16; see `symdiff.trajectories.precision`.
    command
        Told to whoever gives the directory as a model before it is finished.
    on_resume
        Called if the directory holds a part of this recording, with how much.

    Returns
    -------
    bool
        True if the directory held this very recording already and nothing had to be done.

    Raises
    ------
    OutputError
        The directory holds something else, or another process is recording into it.
    StoreError
        It holds a damaged store.
    DiskError
        It cannot be written. Finished shards are kept, and the same call goes on from there.
    InterruptedRunError
        In place of `KeyboardInterrupt`; as after `DiskError`.
    """
    recipe = Recipe(denoiser, sampler, steps, trajectories, seed, clip, every, dtype)
    directory = Path(directory)
    if _holds(directory, recipe):
        with suppress(OSError):  # left by a process that was killed between its last two steps
            (directory / ONGOING).unlink()
        return True
    recorder = Recorder(recipe, device, batch_size, on_progress)
    return _write(directory, recipe, recorder, wait=False, command=command, on_resume=on_resume)


def _write(
    directory: Path,
    recipe: Recipe,
    recorder: Recorder,
    *,
    wait: bool,
    command: str = "",
    on_resume: OnResume | None = None,
) -> bool:
    """Record, or go on recording; True if another process did it while this one was waiting."""
    with claimed(directory, wait=wait):
        if is_recording(directory):
            if _holds(directory, recipe):
                return True
            raise OutputError(f"{directory} already holds something", "choose another directory, or delete this one")
        with Ongoing(directory, recipe, recorder.batch_size, command) as ongoing:
            if ongoing.finished:
                log.info("resuming: %s", ongoing)
                if on_resume is not None:
                    on_resume(str(ongoing))
            try:
                batches = [rows for rows in recorder.batches if ongoing.needs(rows)]
                recorder.run(batches, ongoing.write, storage_dtype(recipe.dtype))
                ongoing.complete(str(recorder.device))
            except DiskError as error:
                raise DiskError(f"{error.message}; {ongoing}", f"{error.hint}; {_again(ongoing)}") from error
            except KeyboardInterrupt:
                if wait:
                    raise
                raise InterruptedRunError(f"interrupted; {ongoing}", _again(ongoing)) from None
    return False


def _holds(directory: Path, recipe: Recipe) -> bool:
    return _present(directory / "manifest.json") and bool(read_manifest(directory)["key"] == recipe.key)


def _present(path: Path) -> bool:
    with disk_errors(path):
        return path.exists()


def _again(ongoing: Ongoing) -> str:
    return "the same command goes on from there" if ongoing.finished else "the same command begins anew"
