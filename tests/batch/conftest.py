"""Studies of runs that take no time."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from symdiff import __version__
from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Resources
from symdiff.batch.local import Local
from symdiff.batch.running import Batch
from symdiff.batch.selection import select
from symdiff.batch.study import read_study
from symdiff.progress import Silent

FAKE = (sys.executable, "-S", str(Path(__file__).with_name("fake_worker.py")))

FAKE_TEMPLATE = (sys.executable, "-S", str(Path(__file__).with_name("fake_template.py")))

TEXT = '[study]\nname = "tiny"\n[matrix]\nmodel = ["gaussian"]\nseed = [0, 1, 2]\n'


@pytest.fixture(autouse=True)
def behaviour(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say how the runs of some seeds behave: ``behaviour(s1="hang")``."""
    monkeypatch.setenv("FAKE_VERSION", __version__)

    def behave(**seeds: str) -> None:
        monkeypatch.setenv("FAKE", json.dumps({name.removeprefix("s"): wish for name, wish in seeds.items()}))

    behave()
    return behave


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A study of three seeds."""
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)
    return file


Go = Callable[..., StudyDirectory]


@pytest.fixture
def go(file: Path, tmp_path: Path) -> Go:
    """Run the study as the command does; returns its directory, ``state`` being how it ended."""

    def run(only: str | None = None, **how: Any) -> StudyDirectory:
        resources = Resources(**{key: how.pop(key) for key in ("jobs", "gpus", "timeout", "memory") if key in how})
        study = read_study(file)
        directory = StudyDirectory(study, tmp_path / "tiny", adopt=how.pop("adopt", False))
        retry = how.pop("retry_failed", False)
        engine = Local(resources, FAKE, FAKE_TEMPLATE if how.pop("warm", False) else None)
        with directory.held():
            batch = Batch(directory, engine, Silent(), **how)
            directory.state = batch.run(select(only, study.runs, directory.records), retry_failed=retry)
        return directory

    return run


def states(directory: StudyDirectory) -> list[str]:
    return [directory.records[run.run_id].state for run in directory.study.runs]


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"never: {what}")


def is_alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
