"""What an engine is: something that runs one job a slot, and says how each ended.

An engine comes in through the hook `symdiff_engines`, which returns ``{name: class}``; `local` is the core's own. It is
constructed as ``engine(resources)`` and asked by one thread only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from symdiff.config import RunConfig
from symdiff.errors import EngineError, SymdiffError, UsageError
from symdiff.nearest import did_you_mean
from symdiff.plugins import load_plugins


@dataclass(frozen=True)
class Resources:
    """What a study may use.

    Attributes
    ----------
    jobs
        Runs at a time; ``None``: one, or one a GPU.
    gpus
        GPUs to spread them over, several runs to one if there are more jobs; ``None``: leave the choice to the runs.
    timeout
        Seconds a run may take; ``None``: any time.
    memory
        Bytes a run and its processes may hold in memory; ``None``: what there is.
    """

    jobs: int | None = None
    gpus: int | None = None
    timeout: float | None = None
    memory: int | None = None

    @property
    def slots(self) -> int:
        """Runs at a time."""
        return self.jobs or self.gpus or 1


@dataclass(frozen=True)
class Job:
    """One attempt at a run: its configuration, the run directory, and the file that gets what it prints."""

    run_id: str
    config: RunConfig
    out: Path
    log: Path


@dataclass(frozen=True)
class Cause:
    """Why a run failed, as in the documents of errors."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended, and after how many seconds; without a cause it says that the run is done."""

    run_id: str
    seconds: float
    cause: Cause | None = None


INTERRUPTED = "interrupted"
"""Code of the cause of a run that was stopped: it has not failed, and is still to do."""


@runtime_checkable
class Engine(Protocol):
    """Runs jobs."""

    @property
    def capacity(self) -> int:
        """How many jobs may run at a time."""

    def start(self, job: Job) -> None:
        """Begin a job; there is room for it."""

    def wait(self, seconds: float) -> list[Ended]:
        """Return what ended, at once if something has, or after `seconds` with nothing."""

    def stop(self) -> list[Ended]:
        """End everything that runs, giving it a moment to save its state, and return how."""


def find_engine(name: str) -> Callable[[Resources], Engine]:
    """Return what constructs the engine called `name`.

    Raises
    ------
    UsageError
        There is no such engine, or a plugin claims the name of the core's.
    """
    from symdiff.batch.local import Local

    engines = load_plugins().engines
    if "local" in engines:
        raise UsageError("a plugin claims the engine 'local', which is symdiff's own", "see `symdiff plugins list`")
    known: dict[str, Callable[[Resources], Engine]] = {"local": Local, **engines}
    if name not in known:
        hint = f"{did_you_mean(name, known)} known: {', '.join(sorted(known))}".strip()
        raise UsageError(f"there is no engine {name!r}", hint)
    return known[name]


def make_engine(name: str, resources: Resources) -> Engine:
    """Construct the engine called `name`, and look whether it is one.

    Raises
    ------
    UsageError
        There is no such engine.
    EngineError
        What a plugin calls one cannot be constructed, or lacks a part of `Engine`.
    SymdiffError
        What the engine itself says.
    """
    kind = find_engine(name)
    hint = "an engine is constructed with Resources, and has capacity, start, wait and stop: see symdiff.batch.engine"
    try:
        engine = kind(resources)
        missing = [part for part in PARTS if not hasattr(engine, part)]
        capacity = None if missing else engine.capacity
    except SymdiffError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise EngineError(f"the engine {name!r} cannot be constructed: {told}", hint) from error
    if missing:
        raise EngineError(f"the engine {name!r} has no {', '.join(missing)}", hint)
    if uncalled := [part for part in PARTS[1:] if not callable(getattr(engine, part))]:
        raise EngineError(f"of the engine {name!r}, {', '.join(uncalled)} cannot be called", hint)
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1:
        raise EngineError(f"the engine {name!r} has a capacity of {capacity!r}, not a number of runs from 1 on", hint)
    return engine


PARTS = ("capacity", "start", "wait", "stop")
"""What an engine has to have."""


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
