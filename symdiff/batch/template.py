"""A process that has imported everything a run needs, and becomes one by forking: ``python -m symdiff.batch.template``.

Imports take longer than a short run does. They are done once here, and every run is a child that begins where they
ended, in a session of its own and with its own variables and files. A fork copies the one thread that asks for it:
with another thread at work a lock could be held for ever in the child, and a CUDA context does not survive it. Both are
looked for before every fork, and found, it is refused.

It is asked over a socket, by messages in JSON, and ends when the other end is closed, whatever closed it.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

MODULES = (
    "symdiff.analyze",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
"""What runs import, some of it only on their way; the plugins come on top."""

MESSAGE_BYTES = 1 << 16

TASKS = Path("/proc/self/task")


def main() -> int:
    """Import, and become a worker for every request."""
    control = socket.socket(fileno=int(sys.argv[1]))
    prepare()
    serve(control)
    from symdiff.batch.worker import main as work

    use_threads(int(os.environ["OMP_NUM_THREADS"]))
    return work()


def prepare() -> None:
    """Import what runs need; what is there by then is never looked through for garbage, so that its pages stay shared.

    Nothing is computed: random states, number formats and caches are as in a process that has just begun.
    """
    from symdiff.plugins import load_plugins

    for name in MODULES:
        import_module(name)
    load_plugins()
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> None:
    """Fork a process for each request; this returns in the children only.

    A request comes with two files, the standard input and the log of the child, and says how its variables differ from
    ours. It is answered by ``{"forked": pid}`` with a pidfd, or by ``{"refused": why}``. Later, unasked,
    ``{"ended": pid, "code": code}`` follows, the code being negative for a signal.
    """
    children: dict[int, int] = {}
    try:
        _tell(control, {"ready": os.getpid()})
        while True:
            ready, _, _ = select.select([control.fileno(), *children], [], [])
            for watched in [descriptor for descriptor in ready if descriptor in children]:
                pid = children.pop(watched)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(watched)
                _tell(control, {"ended": pid, "code": code})
            if control.fileno() not in ready:
                continue
            message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 2)
            if not message:
                os._exit(0)
            if why := unsafe():
                _tell(control, {"refused": why})
            else:
                began, begins = os.pipe()
                pid = os.fork()
                if not pid:
                    for descriptor in (*children, began, control.detach()):
                        os.close(descriptor)
                    _become(json.loads(message), files, begins)
                    return
                os.close(begins)
                os.read(began, 1)  # until it has a session of its own, a signal to that would miss it
                os.close(began)
                watched = os.pidfd_open(pid)
                children[watched] = pid
                _tell(control, {"forked": pid}, [watched])
            for file in files:
                os.close(file)
    except ConnectionError:
        os._exit(0)  # nobody asks any more


def unsafe() -> str:
    """Return why this process may not fork, empty if it may."""
    threads = [(task / "comm").read_text(encoding="utf-8").strip() for task in TASKS.iterdir()]
    if len(threads) > 1:
        return f"importing started {len(threads) - 1} threads: {', '.join(sorted(threads))}"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "importing a plugin initialised CUDA"
    return ""


def use_threads(number: int) -> None:
    """Compute on as many threads as the variables would have said, had they been read by the libraries of this process.

    They read them when they are loaded, which was in the template, where they are 1.
    """
    if number == 1:
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(number)
    threadpool_limits(number, user_api="blas")


def _become(asked: dict[str, Any], files: Sequence[int], begins: int) -> None:
    """Make this process what a new one would be."""
    os.setsid()
    os.close(begins)
    heard, log = files
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for source, target in ((heard, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(heard)
    os.close(log)
    for name in asked["without"]:
        os.environ.pop(name, None)
    os.environ.update(asked["environment"])
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # from the system's entropy, as at its import


def _tell(control: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    socket.send_fds(control, [json.dumps(message).encode()], files)


if __name__ == "__main__":
    sys.exit(main())
