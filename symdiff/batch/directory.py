"""The directory of a study: whose it is, who is working in it, and how every run stands."""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from symdiff.batch.engine import Cause
from symdiff.batch.study import Run, Study
from symdiff.errors import OutputError, RefusedError
from symdiff.rundir import TEMPORARY, RunDirectory, refuse_unwritable, write_document
from symdiff.trajectories.appearing import disk_errors

log = logging.getLogger(__name__)

STUDY, STATUS = "study.json", "status.json"

STATUS_SCHEMA = "symdiff.study-status/1"

RunState = Literal["todo", "running", "done", "failed"]

SPELLED = 12
"""Values of a setting that a difference spells out; of more it shows the first ones and the last."""

STATES: tuple[RunState, ...] = ("done", "failed", "running", "todo")


@dataclass(frozen=True)
class Record:
    """How a run of a study stands.

    Attributes
    ----------
    cached
        It was done before this command began.
    cause
        Why it failed.
    seconds
        What the last attempt took.
    attempts
        How often it was begun.
    """

    state: RunState = "todo"
    cached: bool = False
    cause: Cause | None = None
    seconds: float | None = None
    attempts: int = 0


class StudyDirectory:
    """The directory of one study. Making one looks only; nothing is written before `held`.

    Parameters
    ----------
    study
        The study.
    path
        Its directory.
    adopt
        Accept that the directory was begun with another version of the study.

    Raises
    ------
    OutputError
        The directory holds another study or something else, or this one as it was before it was edited.
    """

    def __init__(self, study: Study, path: Path, *, adopt: bool = False) -> None:
        self.study, self.path, self.adopt = study, path, adopt
        refuse_unwritable(path)
        self._refuse_another()
        self.records: dict[str, Record] = self._look()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def run_directory(self, run: Run) -> Path:
        """Where a run is written."""
        return self.path / "runs" / run.run_id

    def log(self, run: Run) -> Path:
        """The file that gets what the process of a run prints."""
        return self.path / "logs" / f"{run.run_id}.log"

    def is_finished(self, run: Run) -> bool:
        """Return whether the directory of a run holds its complete result."""
        try:
            return RunDirectory(run.config, self.run_directory(run)).state == "finished"
        except OutputError:
            return False

    # --- looking ------------------------------------------------------------------------------

    def _refuse_another(self) -> None:
        if not self.path.exists():
            return
        held = read(self / STUDY)
        if not is_description(held) and (self / STUDY).is_file():
            # The runs are known by their ids, so that nothing is lost by writing it again.
            if not self.adopt:
                raise OutputError(
                    f"{self / STUDY} is damaged, or of another version of symdiff",
                    "--adopt writes it again and keeps the finished runs of this study; or give another --out",
                )
            return
        if not held:
            foreign = sorted(item.name for item in self.path.iterdir() if not item.match(TEMPORARY))
            if foreign:
                raise OutputError(
                    f"{self.path} is not empty and holds no study: {', '.join(foreign[:3])}", "give another --out"
                )
            return
        told = difference(held.get("runs", {}), self._description["runs"])
        if told and not self.adopt:
            raise OutputError(
                f"{self.path} was begun with another version of the study: {told}",
                "--adopt goes on with the study as it is now, and keeps the runs they share; or give another --out",
            )

    def _look(self, done: Collection[str] | None = None) -> dict[str, Record]:
        """What is done is in the run directories; what failed, and how, is in the status."""
        earlier = {}
        if (self / STATUS).exists():
            try:
                earlier = records_of(_read_status(self.path))
            except RefusedError as error:
                if done is None:  # told at the first look
                    log.warning("%s; what failed before is not known, and is run again", error.message)
        found: dict[str, Record] = {}
        for run in self.study.runs:
            record = earlier.get(run.run_id, Record())
            if run.run_id in (done or ()) or self.is_finished(run):
                record = replace(record, state="done", cached=True, cause=None)
            elif record.state != "failed":
                record = replace(record, state="todo", cached=False, cause=None)
            found[run.run_id] = record
        return found

    @cached_property
    def _description(self) -> dict[str, Any]:
        runs = {
            run.run_id: {"label": self.study.label(run), "settings": run.settings, "plugins": dict(run.plugins)}
            for run in self.study.runs
        }
        return {"schema": "symdiff.study/1", "name": self.study.name, "runs": runs}

    # --- writing ------------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take the directory for this process; the system gives it back however the process ends.

        Raises
        ------
        OutputError
            Another process works on the study, or began another one here meanwhile.
        DiskError
            It cannot be written.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path, os.O_RDONLY)
        try:
            if not _claimed(lock):
                other = read(self / STATUS).get("pid", "unknown")
                raise OutputError(
                    f"process {other} is running the study in {self.path}",
                    "wait for it, stop it, or give another --out",
                )
            self._refuse_another()  # it may have changed since we looked
            # What is done stays done, and reading a thousand results twice takes seconds.
            self.records = self._look({run_id for run_id, record in self.records.items() if record.state == "done"})
            with disk_errors(self.path):
                for leftover in self.path.glob(TEMPORARY):
                    leftover.unlink()
            write_document(self / STUDY, self._description)
            yield
        finally:
            os.close(lock)

    def settle(self, run_id: str, **change: Any) -> None:
        """Note what became of a run."""
        self.records[run_id] = replace(self.records[run_id], **change)

    def write_status(self, state: str) -> None:
        """Write ``status.json``: the state of the study and of every run."""
        write_document(self / STATUS, self.status(state))

    def status(self, state: str) -> dict[str, Any]:
        """Return the status as a document."""
        runs = [
            {
                "run_id": run.run_id,
                "label": self.study.label(run),
                **asdict(self.records[run.run_id]),
                "directory": f"runs/{run.run_id}",
                "log": f"logs/{run.run_id}.log",
            }
            for run in self.study.runs
        ]
        return {
            "schema": STATUS_SCHEMA,
            "name": self.study.name,
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": counts(self.records),
            "runs": runs,
        }


def counts(records: Mapping[str, Record]) -> dict[str, int]:
    """Return how many runs are in each state."""
    return {state: sum(record.state == state for record in records.values()) for state in STATES}


def read_status(path: Path) -> dict[str, Any]:
    """Return how a study stands; one whose process has died is ``stopped``, whatever it wrote last.

    Raises
    ------
    RefusedError
        There is no study, or its status is damaged.
    """
    document = _read_status(path)
    if document["state"] == "running" and not is_held(path):
        document["state"] = "stopped"
        for run in document["runs"]:
            run["state"] = "todo" if run["state"] == "running" else run["state"]
        document["counts"] = counts(records_of(document))
    return document


def _read_status(path: Path) -> dict[str, Any]:
    """Return ``status.json`` as it stands, refused unless it has all that is read of it."""
    file = path / STATUS
    document = read(file)
    if not file.exists() or (document and document.get("schema") != STATUS_SCHEMA):  # a run has a status, too
        raise RefusedError(f"no study at {path}", "give a directory that `symdiff batch run` wrote")
    try:
        _Status.model_validate(document)
    except ValidationError:
        raise RefusedError(
            f"{file} is damaged", "the same `symdiff batch run` writes it again, and keeps what is finished"
        ) from None
    return document


class _StatusOfRun(BaseModel):
    """A run in ``status.json``."""

    run_id: str
    label: str
    state: RunState
    cached: bool
    cause: Cause | None
    seconds: float | None
    attempts: int
    log: str


class _Status(BaseModel):
    """What is read of ``status.json``."""

    schema_: Literal["symdiff.study-status/1"] = Field(alias="schema")
    name: str
    state: str
    counts: dict[str, int]
    runs: list[_StatusOfRun]


class _DescriptionOfRun(BaseModel):
    """A run in ``study.json``."""

    label: str
    settings: dict[str, Any]
    plugins: dict[str, str]


class _Description(BaseModel):
    """What is read of ``study.json``."""

    schema_: Literal["symdiff.study/1"] = Field(alias="schema")
    name: str
    runs: dict[str, _DescriptionOfRun]


def is_description(document: Mapping[str, Any]) -> bool:
    """Return whether a document is a whole ``study.json`` of this version."""
    try:
        _Description.model_validate(document)
    except ValidationError:
        return False
    return True


def records_of(status: Mapping[str, Any]) -> dict[str, Record]:
    """Read the records out of a status."""
    found = {}
    for run in status.get("runs", []):
        cause = run.get("cause")
        kept = {key: run[key] for key in ("state", "cached", "seconds", "attempts")}
        found[str(run["run_id"])] = Record(**kept, cause=Cause(**cause) if cause else None)
    return found


def difference(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return in words how the runs of two versions of a study differ; empty if they do not."""
    gone, new = [key for key in held if key not in wanted], [key for key in wanted if key not in held]
    if not gone and not new:
        return ""
    said = [f"{counted(len(names), 'run')} {word} only" for names, word in ((gone, "there"), (new, "here")) if names]
    there, here = _values(held), _values(wanted)
    changed = [key for key in dict.fromkeys([*there, *here]) if there.get(key) != here.get(key)]
    said += [f"{key} {_spell(there.get(key))} there, {_spell(here.get(key))} here" for key in changed[:5]]
    if not changed:
        said.append(", ".join([held[key]["label"] for key in gone[:3]] + [wanted[key]["label"] for key in new[:3]]))
    return "; ".join(said)


def _values(runs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values each setting takes, in order; the versions of plugins are settings, too."""
    found: dict[str, dict[str, None]] = {}
    for run in runs.values():
        for key, value in [*run["settings"].items(), *(("plugin " + k, v) for k, v in run["plugins"].items())]:
            found.setdefault(key, {})[value if isinstance(value, str) else json.dumps(value)] = None
    return {key: sorted(values, key=_as_numbers) for key, values in found.items()}


def _as_numbers(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _spell(values: list[str] | None) -> str:
    if values is None:
        return "absent"
    shown = values if len(values) <= SPELLED else [*values[: SPELLED - 2], "...", values[-1]]
    return ", ".join(shown)


def counted(number: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _claimed(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def is_held(path: Path) -> bool:
    """Return whether a process holds the directory of a study, or writes into that of a run."""
    lock = os.open(path, os.O_RDONLY)
    try:
        return not _claimed(lock)
    finally:
        os.close(lock)


def read(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty if there is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
