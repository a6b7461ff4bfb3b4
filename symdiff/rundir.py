"""The directory of a run: whose it is, what state it is in, and how files get into it.

A file appears under its name complete or not at all. A directory belongs to the run whose configuration it holds:
the same configuration is answered from it or resumed in it, another one is refused.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from symdiff.config import RunConfig
from symdiff.environment import describe_environment
from symdiff.errors import DiskError, InterruptedRunError, OutputError, RefusedError, SymdiffError
from symdiff.result import Result, load_result
from symdiff.trajectories.appearing import NO_ROOM, disk_errors

FILES = (
    "result.json",
    "report.html",
    "config.json",
    "environment.json",
    "metrics.jsonl",
    "hae.safetensors",
    "figures.safetensors",
    "run.log",
    "status.json",
)
"""What a finished run consists of."""

CHECKPOINT = "checkpoint"
"""Names of what an unfinished run leaves for its resumption start with this."""

TEMPORARY = ".*.tmp"
"""Names of half-written files match this."""

State = Literal["new", "unfinished", "finished"]


class RunDirectory:
    """The directory of one run. Making one looks only; nothing is written before `writing`.

    Parameters
    ----------
    config
        The run, its options resolved.
    out
        The directory; default ``runs/<run id>``.
    force
        Overwrite what is there: the files of a run are removed, others stay.

    Raises
    ------
    OutputError
        The directory holds another run, or something else, and `force` is false; or it is a file.
    """

    def __init__(self, config: RunConfig, out: Path | None = None, *, force: bool = False) -> None:
        self.config = config
        self.path = Path("runs") / config.run_id if out is None else Path(out)
        self.force = force
        refuse_unwritable(self.path)
        self.state: State = "new" if force else self._inspect()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    # --- looking ------------------------------------------------------------------------------

    def _inspect(self) -> State:
        if not self.path.exists():
            return "new"
        if not (self / "config.json").exists():
            foreign = [item.name for item in self.path.iterdir() if not item.match(TEMPORARY)]
            if foreign:
                raise OutputError(
                    f"{self.path} is not empty and holds no run: {', '.join(sorted(foreign)[:3])}",
                    "give another --out, or --force to write into it",
                )
            return "new"
        held = _read(self / "config.json")
        if not held:
            raise OutputError(
                f"{self.path} holds a run whose config.json is unreadable",
                "give another --out, or --force to overwrite it",
            )
        if held.get("config_hash") != self.config.config_hash():
            raise OutputError(
                f"{self.path} holds another run, {held.get('run_id', 'without a name')}{self._difference(held)}",
                "give another --out, or --force to overwrite it",
            )
        return "finished" if self._is_finished() else "unfinished"

    def _is_finished(self) -> bool:
        if _read(self / "status.json").get("state") != "done":
            return False
        try:
            load_result(self.path)
        except RefusedError:
            return False
        return True

    def _difference(self, held: dict[str, Any]) -> str:
        ours, theirs = self.config.model_dump(mode="json"), held.get("config", {})
        keys = [key for key in ours if key != "device" and ours[key] != theirs.get(key)]
        if not keys:
            return ": the same settings, but written by a version of symdiff that understands them differently"
        return ": " + ", ".join(f"{key} {theirs.get(key)} there, {ours[key]} here" for key in keys[:3])

    def result(self) -> Result:
        """Read the result of a finished run."""
        return load_result(self.path)

    # --- writing ------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[RunDirectory]:
        """Take the directory for this process, and keep its status while the run goes on.

        Whatever ends the run is recorded: `finish` makes it ``done``; an exception ``failed``; Ctrl-C ``interrupted``,
        and the same command resumes.

        Raises
        ------
        OutputError
            Another process is writing here.
        DiskError
            The disk is full, read-only or not ours.
        InterruptedRunError
            In place of `KeyboardInterrupt`.
        """
        created = _missing(self.path)
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path, os.O_RDONLY)
        try:
            self._claim(lock)
            with self._recorded(created):
                self._clean()
                with self._logging():
                    yield self
        finally:
            os.close(lock)

    @contextmanager
    def _recorded(self, created: list[Path]) -> Iterator[None]:
        """Record how the run ends unless `finish` did; a new run that is refused leaves nothing behind."""
        try:
            yield
        except KeyboardInterrupt:
            error = InterruptedRunError(
                f"interrupted; the state is saved in {self.path}", "the same command goes on from there"
            )
            self._status("interrupted", error)
            raise error from None
        except RefusedError as error:
            if self.state == "new":  # nothing was done, nothing stays behind
                self._remove(FILES)
                for directory in reversed(created):
                    with suppress(OSError):  # not empty
                        directory.rmdir()
            else:
                self._status("failed", error)
            raise
        except BaseException as error:
            self._status("failed", error)
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                with disk_errors(self.path):
                    raise
            raise

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Give a temporary path to write to, which becomes `name` on success and vanishes otherwise."""
        with replacing(self / name) as temporary:
            yield temporary

    def write_json(self, name: str, document: Any) -> None:
        """Write a JSON document."""
        write_document(self / name, document)

    def finish(self, result: Result) -> None:
        """Write the result, remove the checkpoints and mark the run as done."""
        with self.file("result.json") as temporary:
            temporary.write_text(result.to_json(), encoding="utf-8")
        with disk_errors(self.path):
            self._remove_checkpoints()
        self._status("done")

    def _claim(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _read(self / "status.json").get("pid", "unknown")
            raise OutputError(
                f"process {other} is writing to {self.path}", "wait for it, stop it, or give another --out"
            ) from None
        except OSError:
            pass  # a file system without locks
        if not self.force:
            self.state = self._inspect()  # it may have changed hands since we looked

    def _clean(self) -> None:
        with disk_errors(self.path):
            for leftover in self.path.glob(TEMPORARY):
                leftover.unlink()
            if self.force:
                self._remove(FILES)
                self._remove_checkpoints()

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self / name).unlink(missing_ok=True)

    def _remove_checkpoints(self) -> None:
        self._remove(item.name for item in self.path.glob(f"{CHECKPOINT}*"))

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Describe the run and its surroundings, and copy the log to ``run.log``."""
        self.write_json(
            "config.json",
            {
                "schema": "symdiff.config/1",
                "run_id": self.config.run_id,
                "config_hash": self.config.config_hash(),
                "config": self.config.model_dump(mode="json"),
            },
        )
        self._status("running")
        self.write_json("environment.json", describe_environment())
        with disk_errors(self / "run.log"):
            handler = logging.FileHandler(self / "run.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("symdiff")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()

    def _status(self, state: str, error: BaseException | None = None) -> None:
        document: dict[str, Any] = {
            "schema": "symdiff.status/1",
            "run_id": self.config.run_id,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "error": None,
        }
        if isinstance(error, SymdiffError):
            document["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
        elif error is not None:
            document["error"] = {"code": "internal", "message": f"{type(error).__name__}: {error}", "hint": ""}
        try:
            self.write_json("status.json", document)
        except DiskError:
            # On a full disk the status cannot be written either; the error that says so matters more.
            if error is None:
                raise


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a temporary sibling of `file` to write to, which replaces it on success and vanishes otherwise.

    Raises
    ------
    DiskError
        It cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with disk_errors(file):
        try:
            temporary.touch()
            permissions = temporary.stat().st_mode
            yield temporary
            temporary.chmod(permissions)  # some writers replace the file by one only its owner may read
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_document(file: Path, document: Any) -> None:
    """Write a JSON document, complete or not at all."""
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def refuse_unwritable(path: Path) -> None:
    """Raise `OutputError` unless `path` is a directory we can write to, or can be made one."""
    existing = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise OutputError(f"{existing} is a file", "give --out a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to {existing}: permission denied", "give --out a directory you can write to")


def _missing(path: Path) -> list[Path]:
    """Return the directories that have to be made for `path` to be there, outermost first."""
    return [place for place in reversed([path, *path.parents]) if not place.exists()]


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty if there is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
