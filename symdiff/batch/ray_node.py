"""What the engine `ray` does on a node: look whether a run can be done there, and watch over its process.

The run itself is a process of its own here, too. It is told what to do through a pipe, and ends when the process of Ray
that watches over it does: because the command ended, the node was lost, or somebody killed it.
"""

from __future__ import annotations

import platform
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from symdiff import __version__
from symdiff.batch.directory import is_held
from symdiff.batch.engine import Cause, Ended, Job, Resources
from symdiff.batch.local import WORKER, Local
from symdiff.batch.parcel import Parcel, pack, unpack
from symdiff.batch.scratch import scratch
from symdiff.config import RunConfig
from symdiff.entrypoint import describe
from symdiff.errors import OutputError
from symdiff.hookspecs import NAMESPACE

TOKEN = ".token.tmp"
"""Name of the file by whose content a node knows the folder of the runs."""

LOOK = 0.5
"""Seconds between two questions whether the study is being stopped."""

PATIENCE = 30.0
"""Seconds the process of a lost attempt has to leave the directory of its run."""

LOG_LIMIT = 2**20
"""Bytes of the end of a log that are sent between nodes."""


@dataclass(frozen=True)
class Order:
    """One run, as a node is told; built-in types only, so that any version of symdiff can read it and say what differs.

    Attributes
    ----------
    config, out, log
        As in `Job`.
    folder
        Where the command runs, from which the paths of models start.
    token
        What the file `TOKEN` holds beside `out`, if the node sees the same folder.
    versions
        What the node has to have, by name.
    files
        What the run reads, as its configuration names it.
    threads, gpu, timeout, memory
        Processors, whether it has a GPU or a part of one, and the seconds and bytes it may take.
    worker
        The command of a worker; ``None``: symdiff's own.
    """

    run_id: str
    config: Mapping[str, Any]
    out: str
    log: str
    folder: str
    token: str
    versions: Mapping[str, str]
    files: tuple[str, ...]
    threads: int
    gpu: bool
    timeout: float | None
    memory: int | None
    worker: tuple[str, ...] | None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    `parcel` and `log` are what it wrote, if the node does not share the folder of the runs; `told` is what the user
    should know besides.
    """

    node: str
    seconds: float
    cause: Cause | None
    parcel: Parcel | None = None
    log: bytes = b""
    told: str = ""


class Watch:
    """An actor beside the command: nodes tell it where runs are, and ask it what there is and whether to stop."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[int, str]] = {}
        self.stopping = False

    def begin(self, run_id: str, offer: int, node: str) -> None:
        """Note the node on which an offer of a run, counted from 1, was begun."""
        self.places[run_id] = offer, node

    def where(self, run_id: str, offer: int) -> str | None:
        """Return the node on which this offer of a run was begun, if it was."""
        last, node = self.places.get(run_id, (0, None))
        return node if last == offer else None

    def earlier(self, out: str) -> tuple[Parcel, str]:
        """Return what earlier attempts left of a run, for a node that does not see it, or nothing and the reason."""
        try:
            return pack(Path(out)), ""
        except OutputError as error:
            return {}, f"it begins anew on a node that does not share its folder: {error.message}"
        except OSError as error:
            return {}, f"it begins anew on a node that does not share its folder: cannot read {out}: {error.strerror}"

    def stop(self) -> None:
        """Have all runs stopped."""
        self.stopping = True

    def is_stopping(self) -> bool:
        """Return whether runs are to be stopped."""
        return self.stopping


def versions_here(plugins: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the versions a node and the command must agree on: symdiff, Python, and plugins, by default all here."""
    if plugins is None:
        found = {entry.name: describe(entry) for entry in entry_points(group=NAMESPACE)}
        plugins = {name: f"{about.distribution} {about.version}" for name, about in found.items()}
    own = {"symdiff": __version__, "Python": ".".join(platform.python_version_tuple()[:2])}
    return own | {f"plugin {name}": version for name, version in plugins.items()}


def unfit(order: Order, node: str) -> Cause | None:
    """Return why a node cannot do a run as the command's machine would, if so."""
    here = versions_here()
    wrong = [
        f"{name} {here.get(name, 'is absent')}, not {v}" for name, v in order.versions.items() if here.get(name) != v
    ]
    if wrong:
        return Cause("node", f"node {node} has another installation: {'; '.join(wrong)}", "install the same there")
    absent = [file for file in order.files if not (Path(order.folder) / Path(file).expanduser()).exists()]
    if absent:
        hint = "put it there under the same path, or into a folder that all nodes share"
        return Cause("node", f"node {node} has no {absent[0]} in {order.folder}", hint)
    return None


def attempt(order: Order, watch: Any, offer: int) -> Outcome:
    """Do a run on this node: the body of the task. An offer that is lost before it told the watch has done nothing."""
    import ray

    node = f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:12]})"
    ray.get(watch.begin.remote(order.run_id, offer, node))
    cause = unfit(order, node)
    if cause is not None:
        return Outcome(node, 0.0, cause)
    if _is_shared(order):
        _await_the_lost(Path(order.out))
        ended = _work(order, Path(order.out), Path(order.log), watch)
        return Outcome(node, ended.seconds, ended.cause)
    with scratch("symdiff-run-", Path(tempfile.gettempdir())) as folder:
        out, log = folder / "runs" / order.run_id, folder / "log"
        earlier, told = ray.get(watch.earlier.remote(order.out))
        if earlier:
            unpack(earlier, out)
        ended = _work(order, out, log, watch)
        said = log.read_bytes()[-LOG_LIMIT:]
        try:
            return Outcome(node, ended.seconds, ended.cause, pack(out), said, told)
        except OutputError as error:
            cause = ended.cause or Cause(error.code, error.message, error.hint)
            return Outcome(node, ended.seconds, cause, None, said, told)


def _is_shared(order: Order) -> bool:
    try:
        return (Path(order.out).parent / TOKEN).read_text(encoding="ascii") == order.token
    except (OSError, UnicodeDecodeError):
        return False


def _await_the_lost(out: Path) -> None:
    """An attempt on a node that lost its connection may need a moment to notice."""
    until = time.monotonic() + PATIENCE
    while out.exists() and is_held(out) and time.monotonic() < until:
        time.sleep(LOOK)


def _work(order: Order, out: Path, log: Path, watch: Any) -> Ended:
    import ray

    folder = Path(order.folder)
    engine = Local(
        Resources(gpus=None if order.gpu else 0, timeout=order.timeout, memory=order.memory),
        order.worker or WORKER,
        None,  # one run is all that a template would begin
        threads=order.threads,
        folder=folder if folder.is_dir() else None,
    )
    try:
        with _interruptible():
            engine.start(Job(order.run_id, RunConfig.model_validate(order.config), out, log))
        while True:
            ended = engine.wait(LOOK)
            if not ended and ray.get(watch.is_stopping.remote()):
                ended = engine.stop()
            if ended:
                return ended[0]
    finally:
        engine.stop()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ray has Ctrl-C blocked in its processes, which a run would inherit, and then could not be asked to stop."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
