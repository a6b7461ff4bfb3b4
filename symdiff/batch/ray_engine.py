"""The engine `ray`: the runs on the nodes of a Ray cluster, each still a process of its own there.

A node that is lost costs an attempt, not the run: it is begun again on another one. Where the nodes see the directory
of the study, which is found out and not assumed, runs write into it; where they do not, the directory of a run comes
back through Ray, and appears complete or not at all.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symdiff.batch.engine import INTERRUPTED, Cause, Ended, Job, Resources, cores, runs_on_a_gpu
from symdiff.batch.local import GRACE
from symdiff.batch.parcel import unpack
from symdiff.batch.ray_address import REACH, refuse_unreachable
from symdiff.batch.ray_node import TOKEN, Order, Outcome, Watch, attempt, versions_here
from symdiff.batch.scratch import scratch
from symdiff.batch.study import taking_part
from symdiff.config import RunConfig
from symdiff.diffusion.adapters import is_own
from symdiff.errors import ClusterError, DeviceError, MissingExtraError, OutputError, SymdiffError
from symdiff.rundir import RunDirectory
from symdiff.trajectories import is_recording, is_sequences
from symdiff.trajectories.appearing import disk_errors
from symdiff.trajectories.sequence_file import PREFIX

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a run is begun whose node is lost."""

UNBEGUN = 120.0
"""Seconds for which Ray may offer nodes that are lost before a run begins there; after that it has failed."""

PAUSE, LONGEST = 0.5, 10.0
"""Seconds before a run is offered again, and the most they become: Ray may offer a lost node until it notices."""

ANSWER = 120.0
"""Seconds the process beside the command has to begin, on a machine that is busy."""

STORE = 128 * 2**20
"""Bytes of the object store of a cluster of our own, whose one node sees the directory of the study."""


@dataclass
class _Running:
    """A job on the cluster.

    `offers` counts how often it was given to Ray, `attempts` how often it was begun on a node and lost with it; `vain`
    are the offers since then that were lost before the run began, the first of them at `vain_since`.
    """

    job: Job
    order: Order
    since: float
    offers: int = 0
    attempts: int = 0
    vain: int = 0
    vain_since: float = 0.0


class Ray:
    """Runs jobs on a Ray cluster.

    A process that is connected to Ray already stays so, and its cluster is used.

    Parameters
    ----------
    resources
        Jobs at a time, GPUs, seconds a run; the address of the cluster, ``auto`` for the one this machine is a node of,
        ``None`` for one that is begun for the study and ended with it.
    worker
        The command of a worker on the nodes; ``None``: symdiff's own, in the environment Ray was started from.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ClusterError
        The cluster does not answer, has other versions, or cannot be begun.
    DeviceError
        More GPUs are asked for than there are.
    """

    def __init__(self, resources: Resources, worker: Sequence[str] | None = None) -> None:
        self.resources = resources
        self.worker = None if worker is None else tuple(worker)
        self._ray = _import_ray()
        self._scratch = ExitStack()
        self._is_ours = self._connect()
        try:
            self._refuse_missing_gpus()
        except BaseException:
            self._leave()
            raise
        self._share = 0.0
        if resources.gpus:
            self._share = resources.gpu_share or 1 / math.ceil(resources.slots / resources.gpus)
        self.cpus = self._cpus()
        self._running: dict[Any, _Running] = {}
        self._resting: list[tuple[float, _Running]] = []  # lost, and when to offer them again
        self._watch: Any = None
        self._token = secrets.token_hex(16)
        self._tokens: set[Path] = set()
        if not self._room(self.cpus):
            log.warning("no node has room for a run (%d CPU, %g GPU): waiting for one", self.cpus, self._share)

    # --- the cluster ----------------------------------------------------------------------------

    def _connect(self) -> bool:
        """Connect to the cluster, or begin one; returns whether there is something to leave at the end."""
        if self._ray.is_initialized():
            return False
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # we say which GPUs a run sees
        address = self.resources.address
        how: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            short = tempfile.gettempdir() if len(tempfile.gettempdir()) < 16 else "/tmp"  # sockets have short paths
            folder = self._scratch.enter_context(scratch("ray-", Path(short)))
            how |= {"address": "local", "include_dashboard": False, "num_cpus": cores(), "object_store_memory": STORE}
            how["_temp_dir"] = str(folder)
        else:
            refuse_unreachable(address)
        try:
            self._ray.init(**how)
        except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
            self._leave()
            told = " ".join(str(error).split())[:500]
            hint = (
                "Ray, Python and symdiff must be of one version on all nodes, and this machine one of them: `ray start`"
            )
            raise ClusterError(f"cannot use the Ray cluster {address or 'of this machine'}: {told}", hint) from error
        return True

    def _leave(self) -> None:
        self._ray.shutdown()
        self._scratch.close()

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _refuse_missing_gpus(self) -> None:
        present, asked = int(sum(node.get("GPU", 0) for node in self._nodes())), self.resources.gpus or 0
        if asked > present:
            raise DeviceError(f"--gpus is {asked}, but the cluster has {present}", f"choose from 0 to {present}")

    def _room(self, cpus: int) -> int:
        """Return how many runs of so many processors, and their parts of GPUs, the nodes hold now."""
        found = 0
        for node in self._nodes():
            room = int(node.get("CPU", 0) // cpus)
            if self._share:
                room = min(room, int(node.get("GPU", 0)) * runs_on_a_gpu(self._share))
            found += room
        return found

    def _wanted(self) -> int | None:
        return self.resources.slots if self.resources.jobs or self.resources.gpus else None

    def _cpus(self) -> int:
        """Processors of a run: as many as leave room for all that may run at a time."""
        wanted = self._wanted()
        most = int(max((node.get("CPU", 0) for node in self._nodes()), default=1))
        fitting = [cpus for cpus in range(1, most + 1) if wanted and self._room(cpus) >= wanted]
        return max(fitting, default=1)

    @property
    def capacity(self) -> int:
        """How many jobs may run at a time: what the nodes there are hold, so that nodes may join later."""
        room, wanted = self._room(self.cpus), self._wanted()
        return max(1, room if wanted is None else min(room, wanted))

    # --- jobs -----------------------------------------------------------------------------------

    def start(self, job: Job) -> None:
        """Begin a job on whichever node has room."""
        with disk_errors(job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.out.parent.mkdir(parents=True, exist_ok=True)
            if job.out.parent not in self._tokens:
                (job.out.parent / TOKEN).write_text(self._token, encoding="ascii")
                self._tokens.add(job.out.parent)
        order = Order(
            run_id=job.run_id,
            config=job.config.model_dump(mode="json"),
            out=str(job.out),
            log=str(job.log),
            folder=str(Path.cwd()),
            token=self._token,
            versions=versions_here(taking_part(job.config)),
            files=files_of(job.config),
            threads=self.cpus,
            gpu=self._share > 0,
            timeout=self.resources.timeout,
            memory=self.resources.memory,
            worker=self.worker,
        )
        if self._watch is None:
            self._watch = self._begin_watch()
        self._offer(_Running(job, order, time.monotonic()))

    def _offer(self, running: _Running) -> None:
        running.offers += 1
        how = {
            "num_cpus": self.cpus,
            "num_gpus": self._share,
            "max_retries": 0,
            "name": f"symdiff {running.job.run_id}",
        }
        task = self._ray.remote(attempt).options(**how)
        self._running[task.remote(running.order, self._watch, running.offers)] = running

    def _begin_watch(self) -> Any:
        """Return the actor the nodes talk to, beside this process: it is lost only with it."""
        from ray import exceptions
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        how = {"num_cpus": 0, "scheduling_strategy": here, "max_restarts": -1, "max_task_retries": -1}
        watch = self._ray.remote(Watch).options(**how).remote()
        try:
            self._ray.get(watch.is_stopping.remote(), timeout=ANSWER)
        except exceptions.RayError as error:
            told = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise ClusterError(
                f"Ray cannot begin a process of symdiff on this machine: {told[0]}",
                "start Ray from the environment that holds symdiff",
            ) from error
        return watch

    def wait(self, seconds: float) -> list[Ended]:
        """Return what ended, soon after something has, or after `seconds` with nothing."""
        now = time.monotonic()
        due = [running for when, running in self._resting if when <= now]
        self._resting = [(when, running) for when, running in self._resting if when > now]
        for running in due:
            self._offer(running)
        if not self._running:
            time.sleep(seconds)
            return []
        over, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [ended for reference in over if (ended := self._settle(reference)) is not None]

    def stop(self) -> list[Ended]:
        """Interrupt everything that runs, kill what has not saved its state in time, and leave the cluster."""
        found = [Ended(running.job.run_id, _seconds(running), _STOPPED) for _, running in self._resting]
        self._resting.clear()
        try:
            if self._running:
                self._ray.get(self._watch.stop.remote())
                for reference, running in self._running.items():
                    if self._where(running) is None:  # no node has room for it yet
                        self._ray.cancel(reference)
                waited = list(self._running)
                _, late = self._ray.wait(waited, num_returns=len(waited), timeout=GRACE + REACH)
                for reference in late:
                    self._ray.cancel(reference, force=True)
                ended = [self._settle(reference, stopped=True) for reference in waited]
                found += [one for one in ended if one is not None]
        finally:
            for folder in self._tokens:
                with suppress(OSError):
                    (folder / TOKEN).unlink(missing_ok=True)
            self._tokens.clear()
            if self._watch is not None:
                self._ray.kill(self._watch)
                self._watch = None
            if self._is_ours:
                self._is_ours = False
                self._leave()
        return found

    def _where(self, running: _Running) -> str | None:
        place: str | None = self._ray.get(self._watch.where.remote(running.job.run_id, running.offers))
        return place

    def _settle(self, reference: Any, stopped: bool = False) -> Ended | None:
        """Return how an attempt ended; nothing if it was lost with its node, and there will be another one."""
        from ray import exceptions

        running = self._running.pop(reference)
        run_id = running.job.run_id
        seconds = _seconds(running)
        try:
            outcome: Outcome = self._ray.get(reference, timeout=GRACE if stopped else None)
        except exceptions.TaskCancelledError:
            return Ended(run_id, seconds, _STOPPED)
        except exceptions.OutOfMemoryError as error:
            told = f"Ray ended it because memory ran out: {str(error).splitlines()[0]}"
            return Ended(run_id, seconds, Cause("memory", told, "try fewer --jobs"))
        except exceptions.RayTaskError as error:
            told = str(error).strip().splitlines()[-1]
            hint = "is the same symdiff installed in the environment Ray was started from there?"
            return Ended(run_id, seconds, Cause("node", f"its node could not begin or watch it: {told}", hint))
        except exceptions.RayError as error:
            return Ended(run_id, seconds, _STOPPED) if stopped else self._lost(running, seconds, error)
        return self._received(running, outcome)

    def _lost(self, running: _Running, seconds: float, error: Exception) -> Ended | None:
        """Have a run offered again after a moment, unless it was begun, or offered in vain, too often.

        An offer that was lost before the run began has cost nothing: Ray offers a lost node until it notices.
        """
        run_id, where = running.job.run_id, self._where(running)
        if _is_finished(running.job):
            return Ended(run_id, seconds)  # only the word of it was lost
        if where is not None:
            running.attempts, running.vain = running.attempts + 1, 0
            told = f"was lost on node {where}, attempt {running.attempts} of {ATTEMPTS} ({type(error).__name__})"
            is_last = running.attempts >= ATTEMPTS
        else:
            running.vain_since = running.vain_since if running.vain else time.monotonic()
            running.vain += 1
            told = f"was lost before it began ({' '.join(str(error).split())[:200]})"
            is_last = time.monotonic() - running.vain_since > UNBEGUN
        if is_last:
            return Ended(run_id, seconds, Cause("node-lost", f"the run {told}", "see the logs of Ray on that node"))
        log.warning("run %s %s: it is begun again", run_id, told)
        pause = min(PAUSE * 2**running.vain, LONGEST)
        self._resting.append((time.monotonic() + pause, running))
        return None

    def _received(self, running: _Running, outcome: Outcome) -> Ended:
        """Keep what came back from a node that does not see the directory of the study."""
        job, cause = running.job, outcome.cause
        if outcome.told:
            log.warning("run %s: %s", job.run_id, outcome.told)
        try:
            if outcome.log:
                with disk_errors(job.log), job.log.open("ab") as file:
                    file.write(outcome.log)
            if outcome.parcel:
                unpack(outcome.parcel, job.out)
        except SymdiffError as error:
            cause = Cause(error.code, error.message, error.hint)
        return Ended(job.run_id, outcome.seconds, cause)


_STOPPED = Cause(INTERRUPTED, "stopped", "the same command goes on from there")


def files_of(config: RunConfig) -> tuple[str, ...]:
    """Return the files and folders of this machine that a run reads, as its configuration names them."""
    named = [config.data or ""]
    if is_recording(config.model):
        named.append(config.model)
    elif is_sequences(config.model):
        named.append(config.model.removeprefix(PREFIX))
    elif is_own(config.model) and not config.model.startswith("python:"):
        named.append(re.sub(r"\.py:.*", ".py", config.model.removeprefix("diffusers:")))
    return tuple(name for name in named if name and Path(name).expanduser().exists())


def _seconds(running: _Running) -> float:
    return round(time.monotonic() - running.since, 3)


def _is_finished(job: Job) -> bool:
    try:
        return RunDirectory(job.config, job.out).state == "finished"
    except OutputError:  # what is there is no run, or another one; whoever writes there says so
        return False


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            f"the engine ray needs the package ray, which cannot be imported: {error}",
            "pip install 'symdiff-toolkit[ray]'",
        ) from error
    return ray
