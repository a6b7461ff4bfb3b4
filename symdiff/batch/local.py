"""The engine `local`: a process a run, so that a crash, the system's memory limit or a hang costs one run.

Where the system can fork safely the process is a fork of a template that has imported everything; elsewhere, and for a
worker that is not our own, it is begun from nothing. Either way it is told the same and ends the same.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from symdiff.batch.engine import INTERRUPTED, Cause, Ended, Job, Resources, cores
from symdiff.batch.memory import refuse_without_figures, resident
from symdiff.batch.telling import PROGRESS
from symdiff.batch.warm import TEMPLATE, UNTOLD, Process, Warm
from symdiff.errors import DeviceError, UsageError
from symdiff.trajectories.appearing import disk_errors

WORKER = (sys.executable, "-m", "symdiff.batch.worker")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

DEVICES = "CUDA_VISIBLE_DEVICES"

GRACE = 20.0
"""Seconds a run that is stopped has to save its state."""

POLL = 0.02
"""Seconds between two looks at the processes."""

MEMORY_POLL = 0.2
"""Seconds between two looks at their memory, which means reading of all processes."""


@dataclass(frozen=True)
class _Running:
    """A job at work; `line` is the end of the pipe whose closing tells it that nobody waits any more."""

    job: Job
    process: Process
    line: int
    slot: int
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since  # a clock that is set does not reach this one

    @property
    def cause_file(self) -> Path:
        return self.job.log.with_suffix(".json")

    @property
    def progress_file(self) -> Path:
        return self.job.log.with_suffix(PROGRESS)


class Local:
    """Runs jobs in processes of this machine: each in a group of its own, told what to do through a pipe.

    Parameters
    ----------
    resources
        Jobs at a time, GPUs, seconds and memory of a run.
    worker
        The command of a worker, which reads its job on the standard input.
    template
        The command of what forks into workers; ``None``: every worker is begun from nothing.
    threads
        Processors a run may use; ``None``: an equal share of this machine's.
    folder
        Where runs begin, from which the paths of their models start; ``None``: where this process is. Only for workers
        begun from nothing.

    Raises
    ------
    DeviceError
        More GPUs are asked for than there are, or the system does not say how much memory a process has.
    UsageError
        The resources name a cluster.
    """

    def __init__(
        self,
        resources: Resources,
        worker: Sequence[str] = WORKER,
        template: Sequence[str] | None = TEMPLATE,
        *,
        threads: int | None = None,
        folder: Path | None = None,
    ) -> None:
        if resources.address is not None:
            raise UsageError(f"--address is {resources.address}, but the engine is local", "add --engine ray")
        self.resources = resources
        self.worker = tuple(worker)
        self.threads = threads
        self.folder = folder
        self._devices = _devices(resources.gpus)
        self._running: list[_Running] = []
        self._looked = 0.0
        if resources.memory is not None:
            refuse_without_figures()
        # Another worker than our own is nothing that our template could become.
        self.warm = Warm(template if self.worker == WORKER or template != TEMPLATE else None)

    @property
    def capacity(self) -> int:
        """How many jobs may run at a time."""
        return self.resources.slots

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables of the worker in a slot: its share of the processors, and its GPU."""
        share = unset = self.threads or max(1, cores() // self.capacity)
        found = dict(os.environ)
        for name in THREADS:
            given = found.get(name, "")
            found[name] = str(min(share, int(given)) if given.isdecimal() and int(given) else unset)
            unset = int(found[THREADS[0]])  # what is not set follows OMP_NUM_THREADS, as it does in the libraries
        if self._devices is not None:
            found[DEVICES] = self._devices[slot % len(self._devices)] if self._devices else ""
        return found

    def start(self, job: Job) -> None:
        """Begin a job in a process group of its own, which Ctrl-C in the terminal does not reach."""
        taken = {running.slot for running in self._running}
        slot = next(slot for slot in range(self.capacity) if slot not in taken)
        with disk_errors(job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            cause = job.log.with_suffix(".json")
            cause.unlink(missing_ok=True)
            heard, line = os.pipe()  # not inherited: when this process dies, however it dies, the line is cut
            try:
                with job.log.open("ab") as log:
                    process = self._begin(heard, log.fileno(), self.environment(slot), job.log.parent)
            except BaseException:
                os.close(line)
                raise
            finally:
                os.close(heard)
        self._running.append(_Running(job, process, line, slot, time.monotonic()))
        told = {"config": job.config.model_dump(mode="json"), "out": str(job.out), "cause": str(cause)}
        told["progress"] = str(self._running[-1].progress_file)
        with suppress(BrokenPipeError):  # it died at once; `wait` tells
            os.write(line, json.dumps(told).encode() + b"\n")

    def _begin(self, heard: int, log: int, environment: dict[str, str], folder: Path) -> Process:
        forked = self.warm.fork(heard, log, environment, folder)
        if forked is not None:
            return forked
        return subprocess.Popen(
            self.worker,
            stdin=heard,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=self.folder,
            start_new_session=True,
        )

    def wait(self, seconds: float) -> list[Ended]:
        """Return what ended, at once if something has, or after `seconds` with nothing."""
        until = time.monotonic() + seconds
        while True:
            breaches = self._breaches()
            ended = [
                self._settle(running, breaches.get(running.process.pid))
                for running in list(self._running)
                if running.process.poll() is not None or running.process.pid in breaches
            ]
            if ended or time.monotonic() >= until:
                return ended
            time.sleep(POLL)

    def stop(self) -> list[Ended]:
        """Interrupt everything that runs; kill what has not saved its state in time."""
        for running in self._running:
            _signal(running.process, signal.SIGINT)
        until = time.monotonic() + GRACE
        while any(running.process.poll() is None for running in self._running) and time.monotonic() < until:
            time.sleep(POLL)
        stopped = Cause(INTERRUPTED, "stopped", "the same command goes on from there")
        ended = [self._settle(running, stopped) for running in list(self._running)]
        self.warm.close()
        return ended

    def _breaches(self) -> dict[int, Cause]:
        """Return which jobs are to be ended, by their process, and why."""
        found: dict[int, Cause] = {}
        timeout, memory = self.resources.timeout, self.resources.memory
        if timeout is not None:
            told = f"took longer than the {timeout:g} s of --timeout"
            cause = Cause("timeout", told, "give it more time with --timeout, and --retry-failed")
            found |= {running.process.pid: cause for running in self._running if running.seconds > timeout}
        if memory is not None and time.monotonic() - self._looked > MEMORY_POLL:
            used = resident({running.process.pid for running in self._running})
            self._looked = time.monotonic()
            for pid, size in used.items():
                if size > memory:
                    told = f"held {size / 1e9:.3g} GB, more than the {memory / 1e9:.3g} GB of --memory"
                    found[pid] = Cause("memory", told, "give it more with --memory, and --retry-failed")
        return found

    def _settle(self, running: _Running, breach: Cause | None) -> Ended:
        """Take a job out of its slot, ended because of `breach` if it goes on; nothing of its session stays behind."""
        self._running.remove(running)
        ended_itself = running.process.poll() is not None
        _signal(running.process, signal.SIGKILL)
        code = running.process.wait()
        os.close(running.line)
        cause: Cause | None
        if code == 0:
            cause = None
        elif breach is not None and (breach.code == INTERRUPTED or not ended_itself):
            cause = breach
        else:
            cause = _cause(running, code)
        for file in (running.cause_file, running.progress_file):
            file.unlink(missing_ok=True)
        return Ended(running.job.run_id, round(running.seconds, 3), cause)


def _cause(running: _Running, code: int) -> Cause:
    """Return what the worker left as its last words, or what can be said without."""
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        hint = {
            "SIGKILL": "somebody killed it, or the system did because memory ran out: try fewer --jobs",
            "SIGSEGV": "a library crashed; the log may say which",
        }.get(name, "the log may say more")
        return Cause("killed", f"ended by {name}", hint)
    try:
        told = json.loads(running.cause_file.read_text(encoding="utf-8"))
        return Cause(str(told["code"]), str(told["message"]), str(told["hint"]))
    except (OSError, ValueError, KeyError):
        if code == UNTOLD:
            said = "ended without a result while the template it was forked from was dead, so that nobody knows how"
            return Cause("killed", said, "--retry-failed runs it again; the log may say more")
        return Cause("crashed", f"ended with exit code {code}, without a word", "the log may say more")


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended; nothing of its group is left
        os.killpg(process.pid, number)


def _devices(gpus: int | None) -> list[str] | None:
    """Return the GPUs of the slots; ``None`` leaves the runs what this process sees."""
    if not gpus:
        return None if gpus is None else []
    visible = os.environ.get(DEVICES)
    if visible is None:
        import torch

        present = [str(index) for index in range(torch.cuda.device_count())]
    else:
        present = [name.strip() for name in visible.split(",") if name.strip()]
    if gpus > len(present):
        raise DeviceError(f"--gpus is {gpus}, but there are {len(present)}", f"choose from 0 to {len(present)}")
    return present[:gpus]
