"""Recording to disk, and the content-addressed cache that spares a second recording."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import torch

from symdiff.diffusion import Denoiser, Sampler
from symdiff.errors import OutputError, StoreError
from symdiff.trajectories.appearing import discard, disk_errors
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.recipe import Recipe
from symdiff.trajectories.recording import OnProgress, Recorder
from symdiff.trajectories.store import SHARD_BYTES, read_manifest, read_store, shard_ranges, write_parts


def cache_directory() -> Path:
    """``$SYMDIFF_CACHE``, by default the user's cache folder (XDG)."""
    chosen = os.environ.get("SYMDIFF_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("symdiff")


def store_key(
    denoiser: Denoiser, sampler: Sampler, steps: int, trajectories: int, seed: int = 0, *, clip: bool = False
) -> str:
    """The name of a recording in the cache: a SHA-256 of everything its numbers depend on."""
    return Recipe(denoiser, sampler, steps, trajectories, seed, clip).key


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
    on_progress: OnProgress | None = None,
) -> tuple[Trajectories, bool]:
    """The recording from the cache, made first if it is not there.

    Takes and raises what `record` does, besides:

    Parameters
    ----------
    cache
        Folder of the stores; ``cache_directory() / "trajectories"`` if ``None``.

    Returns
    -------
    tuple
        The recording, and whether it came from the cache. A damaged entry is recorded again, with a warning.

    Raises
    ------
    DiskError
        The cache cannot be written.
    """
    recipe = Recipe(denoiser, sampler, steps, trajectories, seed, clip)
    directory = (cache or cache_directory() / "trajectories") / recipe.key[:32]
    if _present(directory):
        try:
            return read_store(directory), True
        except StoreError as error:
            warnings.warn(f"recording again, as the cache is damaged: {error}", RuntimeWarning, stacklevel=2)
            discard(directory)
    _write(directory, recipe, Recorder(recipe, device, batch_size, on_progress))
    return read_store(directory), False


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
    on_progress: OnProgress | None = None,
) -> bool:
    """Record into `directory`, holding one shard in memory at a time.

    Takes and raises what `record` does, besides:

    Returns
    -------
    bool
        True if the directory held this very recording already and nothing had to be done.

    Raises
    ------
    OutputError
        The directory holds something else.
    StoreError
        It holds a damaged store.
    DiskError
        It cannot be written; nothing is left behind.
    """
    recipe = Recipe(denoiser, sampler, steps, trajectories, seed, clip)
    if _holds(Path(directory), recipe):
        return True
    _write(Path(directory), recipe, Recorder(recipe, device, batch_size, on_progress))
    return False


def _write(directory: Path, recipe: Recipe, recorder: Recorder) -> None:
    try:
        write_parts(directory, _shards(recipe, recorder), recipe.key)
    except OutputError:
        # Somebody else may have recorded the same in the meantime: then ours is not needed.
        if not _holds(directory, recipe):
            raise


def _holds(directory: Path, recipe: Recipe) -> bool:
    return _present(directory / "manifest.json") and bool(read_manifest(directory)["key"] == recipe.key)


def _present(path: Path) -> bool:
    with disk_errors(path):
        return path.exists()


def _shards(recipe: Recipe, recorder: Recorder) -> Iterator[Trajectories]:
    for first, end in shard_ranges(recipe.states_shape, SHARD_BYTES):
        part = recipe.allocate(end - first)
        part.info["device"] = str(recorder.device)
        recorder.fill(part, first)
        yield part
