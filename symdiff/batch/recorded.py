"""A study as its directory tells it, without the file it came from: for pages, which need nothing else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from symdiff.batch.directory import STATUS, STUDY, Record, is_description, read, read_status, records_of
from symdiff.batch.study import Run, Study
from symdiff.config import RunConfig
from symdiff.errors import RefusedError
from symdiff.result import load_result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordedRun(Run):
    """A run under the id it was begun with, which another version of symdiff would not give it."""

    recorded_id: str = ""

    @cached_property
    def run_id(self) -> str:
        """Name of the run and of its directory."""
        return self.recorded_id


@dataclass(frozen=True)
class RecordedStudy:
    """The directory of a study, to read from.

    Attributes
    ----------
    path
        The directory.
    study
        Its runs, in their order.
    records
        How they stand, by id: done is what has a result, whatever the status says.
    """

    path: Path
    study: Study
    records: Mapping[str, Record] = field(default_factory=dict)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def run_directory(self, run: Run) -> Path:
        """Where a run is written."""
        return self.path / "runs" / run.run_id


def is_study(path: Path) -> bool:
    """Return whether `path` is the directory of a study."""
    return (path / STUDY).is_file()


def read_recorded(path: Path) -> RecordedStudy:
    """Read the directory of a study, finished or not.

    Raises
    ------
    RefusedError
        It holds no study, or one with settings that this version does not know.
    """
    document = read(path / STUDY)
    if not is_description(document) and (path / STUDY).is_file():
        raise RefusedError(
            f"{path / STUDY} is damaged, or of another version of symdiff",
            "`symdiff batch run` with the study file and --adopt writes it again",
        )
    if not is_description(document):
        raise RefusedError(f"no study at {path}", "give a directory that `symdiff batch run` wrote")
    runs = []
    for run_id, told in document["runs"].items():
        try:
            config = RunConfig.model_validate(_configuration(told["settings"]))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise RefusedError(
                f"run {run_id} of {path} has settings this version does not know: "
                f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}",
                "read it with the version that wrote it",
            ) from None
        runs.append(RecordedRun(config, told["plugins"], run_id))
    study = Study(str(document["name"]), tuple(runs))
    earlier = _earlier(path)
    recorded = RecordedStudy(path, study)
    return replace(recorded, records={run.run_id: _record(recorded, run, earlier) for run in runs})


def _earlier(path: Path) -> dict[str, Record]:
    """Return what the status says; the results say what is done without it, so that a damaged one costs no page."""
    if not (path / STATUS).exists():
        return {}
    try:
        return records_of(read_status(path))
    except RefusedError as error:
        log.warning("%s; the page does not know what failed", error.message)
        return {}


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags and options of a run; `Run.settings` has them flat."""
    prefix = f"{settings.get('group', '')}."
    options = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}
    return {key: value for key, value in settings.items() if not key.startswith(prefix)} | {"options": options}


def _record(recorded: RecordedStudy, run: Run, earlier: Mapping[str, Record]) -> Record:
    record = earlier.get(run.run_id, Record())
    directory = recorded.run_directory(run)
    if read(directory / "status.json").get("state") == "done" and _has_result(directory):
        return replace(record, state="done", cause=None)
    return replace(record, state="todo", cause=None) if record.state == "done" else record


def _has_result(directory: Path) -> bool:
    try:
        load_result(directory)
    except RefusedError:
        return False
    return True
