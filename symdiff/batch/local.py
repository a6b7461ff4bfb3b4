"""The engine `local`: a process a run, so that a crash, the system's memory limit or a hang costs one run."""

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
from symdiff.errors import DeviceError, UsageError
from symdiff.trajectories.appearing import disk_errors

WORKER = (sys.executable, "-m", "symdiff.batch.worker")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

DEVICES = "CUDA_VISIBLE_DEVICES"

GRACE = 20.0
"""Seconds a run that is stopped has to save its state."""

POLL = 0.02
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class _Running:
    """A job at work; `line` is the end of the pipe whose closing tells it that nobody waits any more."""

    job: Job
    process: subprocess.Popen[bytes]
    line: int
    slot: int
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since  # a clock that is set does not reach this one

    @property
    def cause_file(self) -> Path:
        return self.job.log.with_suffix(".json")


class Local:
    """Runs jobs in processes of this machine: each in a group of its own, told what to do through a pipe.

    Parameters
    ----------
    resources
        Jobs at a time, GPUs, seconds a run.
    worker
        The command of a worker, which reads its job on the standard input.
    threads
        Processors a run may use; ``None``: an equal share of this machine's.
    folder
        Where runs begin, from which the paths of their models start; ``None``: where this process is.

    Raises
    ------
    DeviceError
        More GPUs are asked for than there are.
    UsageError
        The resources name a cluster.
    """

    def __init__(
        self,
        resources: Resources,
        worker: Sequence[str] = WORKER,
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

    @property
    def capacity(self) -> int:
        """How many jobs may run at a time."""
        return self.resources.slots

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables of the worker in a slot: its share of the processors, and its GPU."""
        share = self.threads or max(1, cores() // self.capacity)
        found = dict(os.environ)
        for name in THREADS:
            given = found.get(name, "")
            found[name] = str(min(share, int(given)) if given.isdecimal() and int(given) else share)
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
                    process = subprocess.Popen(
                        self.worker,
                        stdin=heard,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=self.environment(slot),
                        cwd=self.folder,
                        start_new_session=True,
                    )
            except BaseException:
                os.close(line)
                raise
            finally:
                os.close(heard)
        self._running.append(_Running(job, process, line, slot, time.monotonic()))
        told = {"config": job.config.model_dump(mode="json"), "out": str(job.out), "cause": str(cause)}
        with suppress(BrokenPipeError):  # it died at once; `wait` tells
            os.write(line, json.dumps(told).encode() + b"\n")

    def wait(self, seconds: float) -> list[Ended]:
        """Return what ended, at once if something has, or after `seconds` with nothing."""
        until = time.monotonic() + seconds
        while True:
            ended = [self._settle(running) for running in list(self._running) if self._is_over(running)]
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
        return [self._settle(running, stopped=True) for running in list(self._running)]

    def _is_over(self, running: _Running) -> bool:
        timeout = self.resources.timeout
        return running.process.poll() is not None or (timeout is not None and running.seconds > timeout)

    def _settle(self, running: _Running, stopped: bool = False) -> Ended:
        """Take a job out of its slot; nothing of its process group stays behind."""
        self._running.remove(running)
        late = running.process.poll() is None
        _signal(running.process, signal.SIGKILL)
        code = running.process.wait()
        os.close(running.line)
        cause: Cause | None
        if code == 0:
            cause = None
        elif stopped:
            cause = Cause(INTERRUPTED, "stopped", "the same command goes on from there")
        elif late:
            told = f"took longer than the {self.resources.timeout:g} s of --timeout"
            cause = Cause("timeout", told, "give it more time with --timeout, and --retry-failed")
        else:
            cause = _cause(running, code)
        running.cause_file.unlink(missing_ok=True)
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
        return Cause("crashed", f"ended with exit code {code}, without a word", "the log may say more")


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
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
