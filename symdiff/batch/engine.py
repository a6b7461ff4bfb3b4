"""What an engine is: something that runs one job a slot, and says how each ended.

An engine comes in through the hook `symdiff_engines`, which returns ``{name: class}``; `local` and `ray` are the core's
own. It is constructed as ``engine(resources)`` and asked by one thread only.
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
        Runs at a time; ``None``: one, or as many as the GPUs hold.
    gpus
        GPUs to spread them over; ``None``: leave the choice to the engine.
    timeout
        Seconds a run may take; ``None``: any time.
    gpu_share
        The part of a GPU that a run takes, in (0, 1]; no GPU gets more runs than its parts. ``None``: a whole one, and
        several runs to one if there are more jobs.
    address
        Of the cluster, for an engine that has one.
    memory
        Bytes a run and its processes may hold in memory; ``None``: what there is.

    Raises
    ------
    UsageError
        The share is no part of a GPU, or there is no GPU to take it of.
    """

    jobs: int | None = None
    gpus: int | None = None
    timeout: float | None = None
    gpu_share: float | None = None
    address: str | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        share = self.gpu_share
        if share is not None and not 0 < share <= 1:
            raise UsageError(f"--gpu-share is {share:g}", "give a part of a GPU, such as 0.25")
        if share is not None and not self.gpus:
            raise UsageError(f"--gpu-share is {share:g}, without GPUs to share", "say how many with --gpus")

    @property
    def slots(self) -> int:
        """Runs at a time."""
        if self.gpu_share is None:
            return self.jobs or self.gpus or 1
        held = (self.gpus or 0) * runs_on_a_gpu(self.gpu_share)
        return min(self.jobs or held, held)


def runs_on_a_gpu(share: float) -> int:
    """Return how many runs one GPU holds; no run is spread over two."""
    return int(1 / share + 1e-9)  # 1 / 0.1 may be just below 10


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
    from symdiff.batch.ray_engine import Ray

    own: dict[str, Callable[[Resources], Engine]] = {"local": Local, "ray": Ray}
    engines = load_plugins().engines
    for claimed in own.keys() & engines.keys():
        raise UsageError(
            f"a plugin claims the engine {claimed!r}, which is symdiff's own", "see `symdiff plugins list`"
        )
    known = {**own, **engines}
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
