"""A recording in the making: shards appear one by one in its directory, and whatever ends it, the same goes on there.

Beside the shards lies ``recording.json`` until the manifest is there: whose recording it is, how it is cut into shards,
and which of them are finished. A shard is on the disk under its own name before it is listed.
"""

from __future__ import annotations

import json
import os
import warnings
from bisect import bisect_left, bisect_right
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from symdiff.errors import OutputError, StoreError
from symdiff.trajectories.appearing import disk_errors
from symdiff.trajectories.precision import storage_dtype
from symdiff.trajectories.recipe import Recipe
from symdiff.trajectories.shards import SHARD_BYTES, ShardFile, shard_ranges
from symdiff.trajectories.store import AGAIN, is_recording, replace_document, shard_name, verify_file, write_manifest

ONGOING = "recording.json"

SCHEMA = "symdiff.unfinished-recording/1"

TEMPORARY = (".[0-9]*.safetensors.tmp", f".{ONGOING}.tmp", ".manifest.json.tmp")
"""Names of what is being written match one of these."""


class Ongoing:
    """The shards of one recording, finished and to come. A context manager; leaving it drops what is half written.

    Parameters
    ----------
    directory
        Where it is kept; locked by this process, see `symdiff.trajectories.claim`.
    recipe
        What is recorded.
    batch
        Trajectories sampled at once.
    command
        What makes it, to be told to whoever meets it unfinished; may be empty.

    Attributes
    ----------
    shards
        The trajectories of each shard.
    finished
        What the manifest will say of each finished shard, by index.

    Raises
    ------
    OutputError
        The directory holds something else.
    DiskError
        It cannot be written.
    """

    def __init__(self, directory: Path, recipe: Recipe, batch: int, command: str = "") -> None:
        self.directory, self.recipe, self.command = directory, recipe, command
        self.finished: dict[int, dict[str, Any]] = {}
        self._open: dict[int, ShardFile] = {}
        found = read_ongoing(directory)
        if found is None:
            self.shards = shard_ranges(recipe.states_shape, self._dtype.itemsize, batch, SHARD_BYTES)
        else:
            self.shards = self._resume(found)
        with disk_errors(directory):
            leftovers = {path for pattern in TEMPORARY for path in directory.glob(pattern)}
            if found is None and not leftovers.issuperset(directory.iterdir()):
                raise OutputError(
                    f"{directory} already holds something", "choose another directory, or delete this one"
                )
            for leftover in leftovers:
                leftover.unlink()
        self._save()

    def __enter__(self) -> Ongoing:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):  # of a disk that fails, the error that ended the recording says more
            for shard in self._open.values():
                shard.abandon()
            if not self.finished:
                (self.directory / ONGOING).unlink(missing_ok=True)

    def __str__(self) -> str:
        """Such as ``3 of 8 shards are there``."""
        return f"{len(self.finished)} of {len(self.shards)} shards are there"

    def needs(self, rows: range) -> bool:
        """Whether any of these trajectories is in a shard that is not finished."""
        return any(i not in self.finished for i in self._holding(rows))

    def write(self, first: int, time: int, states: Tensor, denoised: Tensor) -> None:
        """Keep what a `Conveyor` brings. A shard that is complete is brought to the disk and listed.

        Raises
        ------
        DiskError
            There is no room, or no permission.
        """
        for i in self._holding(range(first, first + len(states))):
            if i in self.finished:
                continue
            if i not in self._open:
                file = self.directory / shard_name(i)
                _, times, c, h, w = self.recipe.states_shape
                self._open[i] = ShardFile(file, self.shards[i], times, (c, h, w), self._dtype)
            shard = self._open[i]
            shard.write(first, time, states, denoised)
            if shard.is_complete:
                self.finished[i] = shard.finish()
                del self._open[i]
                self._save()

    def complete(self, device: str) -> None:
        """Make a store of it: all shards are finished.

        Raises
        ------
        DiskError
            It cannot be written.
        """
        described = self.recipe.allocate(0)
        described.info["device"] = device
        entries = [self.finished[i] for i in range(len(self.shards))]
        write_manifest(self.directory, described, entries, self.recipe.dtype, self.recipe.key)
        with disk_errors(self.directory):
            (self.directory / ONGOING).unlink()

    def _holding(self, rows: range) -> range:
        """The shards that hold any of these trajectories."""
        first = bisect_right(self.shards, rows.start, key=lambda shard: shard.start) - 1
        return range(first, bisect_left(self.shards, rows.stop, key=lambda shard: shard.start))

    def _resume(self, found: dict[str, Any]) -> list[range]:
        if found["key"] != self.recipe.key:
            raise OutputError(
                f"{self.directory} already holds something: another recording, not finished",
                "choose another directory, or delete this one",
            )
        first = found["first"]
        for entry in found["finished"]:
            try:
                verify_file(self.directory, entry)
            except StoreError as error:
                warnings.warn(f"recording again what is damaged: {error}", RuntimeWarning, stacklevel=4)
            else:
                self.finished[first.index(entry["first"])] = entry
        return [range(*pair) for pair in zip(first, [*first[1:], self.recipe.trajectories], strict=True)]

    def _save(self) -> None:
        document = {
            "schema": SCHEMA,
            "key": self.recipe.key,
            "command": self.command,
            "pid": os.getpid(),
            "first": [shard.start for shard in self.shards],
            "finished": [self.finished[i] for i in sorted(self.finished)],
        }
        replace_document(self.directory / ONGOING, document)

    @property
    def _dtype(self) -> Any:
        return storage_dtype(self.recipe.dtype)


def read_ongoing(directory: Path) -> dict[str, Any] | None:
    """What a recording in the making says of itself; ``None`` where there is none.

    Raises
    ------
    StoreError
        It is unreadable, or another version's.
    """
    file = directory / ONGOING
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise StoreError(f"{file} has schema {found!r}, this version goes on with {SCHEMA!r}", AGAIN)
    return dict(document)


def refuse_unfinished(path: str | Path) -> None:
    """Raise `StoreError` if `path` is a recording that is not finished, and say how to finish it."""
    directory = Path(path).expanduser()
    found = None if is_recording(directory) else read_ongoing(directory)
    if found is not None:
        there = f"{len(found['finished'])} of {len(found['first'])} shards are there"
        command = found["command"] or "give the command that began it once more"
        raise StoreError(f"{directory} is a recording that is not finished: {there}", f"to finish it: {command}")
