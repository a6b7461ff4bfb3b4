"""What a study is going to take: room for recordings and runs, and time; every figure says what it rests on."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from symdiff.batch.directory import Record, StudyDirectory
from symdiff.batch.study import Run
from symdiff.models import find_denoiser, find_sampler
from symdiff.trajectories import cache_directory, is_recording, is_sequences
from symdiff.trajectories.recipe import Recipe

GUESSED_SECONDS = 30.0
"""Of a run, where none has finished: the main job on one thread takes 10 to 20 s, on digits; others take longer."""

GUESSED_BYTES = 2_000_000
"""Of a run directory, where none is finished: the report and the trained models of a small model."""


@dataclass(frozen=True)
class Estimate:
    """What the runs that are to do will take.

    Attributes
    ----------
    runs
        How many there are.
    recordings, recording_bytes
        Recordings that are in no cache, and their size.
    run_bytes, run_bytes_from
        Size of the run directories, and whether it was measured on finished ones.
    seconds, seconds_from
        Time with `jobs` runs at a time, without recording if that was in the cache for the runs it rests on; and what
        the time of a run rests on, best first, with the number of runs it was used for.
    """

    runs: int
    jobs: int
    recordings: int
    recording_bytes: int
    run_bytes: int
    run_bytes_from: str
    seconds: float
    seconds_from: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return asdict(self)


def estimate(directory: StudyDirectory, chosen: Iterable[str], jobs: int) -> Estimate:
    """Return what the runs in `chosen` that are to do will take.

    The models are loaded to learn the shape of their states, and which recordings are in the cache.

    Raises
    ------
    ModelError, ConfigError
        A model or a sampler cannot be had.
    """
    wanted = set(chosen)
    runs = [run for run in directory.study.runs if run.run_id in wanted]
    todo = [run for run in runs if directory.records[run.run_id].state == "todo"]
    missing = missing_recordings(todo)
    each, measured = _run_bytes(directory)
    known = Times.of(directory.study.runs, directory.records)
    times = [known.of_run(run) for run in todo]
    sources: dict[str, int] = {}
    for _, source in times:
        sources[source] = sources.get(source, 0) + 1
    return Estimate(
        runs=len(todo),
        jobs=jobs,
        recordings=len(missing),
        recording_bytes=sum(missing.values()),
        run_bytes=each * len(todo),
        run_bytes_from=measured,
        seconds=makespan([seconds for seconds, _ in times], jobs),
        seconds_from=sources,
    )


def missing_recordings(runs: Iterable[Run]) -> dict[str, int]:
    """Return the bytes of every recording that these runs share and that is not in the cache, by its key.

    A trajectory of T steps has T + 1 states and T denoised images, float32.
    """
    found: dict[str, int] = {}
    looked: set[tuple[Any, ...]] = set()
    models: dict[tuple[Any, ...], Any] = {}
    for run in runs:
        config = run.config
        if is_recording(config.model) or is_sequences(config.model):
            continue
        named = (config.model, config.label, config.guidance)
        asked = (*named, config.sampler, config.steps, config.trajectories, config.seed)
        if asked in looked:
            continue
        looked.add(asked)
        if named not in models:
            models[named] = find_denoiser(*named, config.model_digest)
        denoiser = models[named]
        sampler = find_sampler(config.sampler, denoiser)
        recipe = Recipe(denoiser, sampler, config.steps, config.trajectories, config.seed)
        if not (cache_directory() / "trajectories" / recipe.key[:32] / "manifest.json").exists():
            trajectories, time, *shape = recipe.states_shape
            found[recipe.key] = 4 * trajectories * (2 * time - 1) * math.prod(shape)
    return found


@dataclass(frozen=True)
class Times:
    """Seconds of finished runs: by model and group, by group, and all."""

    both: Mapping[tuple[str, str], Sequence[float]]
    group: Mapping[str, Sequence[float]]
    every: Sequence[float]

    @classmethod
    def of(cls, runs: Iterable[Run], records: Mapping[str, Record]) -> Times:
        """Return those of the runs that are done."""
        both: dict[tuple[str, str], list[float]] = {}
        group: dict[str, list[float]] = {}
        every: list[float] = []
        for run in runs:
            record = records[run.run_id]
            if record.state == "done" and record.seconds is not None:
                both.setdefault((run.config.model, run.config.group), []).append(record.seconds)
                group.setdefault(run.config.group, []).append(record.seconds)
                every.append(record.seconds)
        return cls(both, group, every)

    def of_run(self, run: Run) -> tuple[float, str]:
        """Return the seconds `run` will take, and what says so."""
        sources = (
            ("finished runs of its model and group", self.both.get((run.config.model, run.config.group))),
            ("finished runs of its group", self.group.get(run.config.group)),
            ("finished runs of this study", self.every),
        )
        for source, seconds in sources:
            if seconds:
                return median(seconds), source
        return GUESSED_SECONDS, f"a guess of {GUESSED_SECONDS:g} s a run"


def makespan(seconds: Iterable[float], jobs: int) -> float:
    """Return when the last run ends if `jobs` go on at a time and each begins when there is room, in order."""
    slots = [0.0] * jobs
    for each in seconds:
        heapq.heappush(slots, heapq.heappop(slots) + each)
    return max(slots)


def _run_bytes(directory: StudyDirectory) -> tuple[int, str]:
    sizes = [
        sum(file.stat().st_size for file in directory.run_directory(run).iterdir() if file.is_file())
        for run in directory.study.runs
        if directory.records[run.run_id].state == "done"
    ]
    if sizes:
        return round(median(sizes)), "finished runs of this study"
    return GUESSED_BYTES, f"a guess of {GUESSED_BYTES / 1e6:g} MB a run"
