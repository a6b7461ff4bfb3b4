"""Runs that begin as forks of a process which has imported everything already; see `symdiff.batch.template`."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from symdiff.batch.template import MESSAGE_BYTES

log = logging.getLogger(__name__)

TEMPLATE = (sys.executable, "-m", "symdiff.batch.template")

SINGLE = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # scikit-learn imports pyarrow, whose allocator has a thread
}
"""Variables of the template, with which importing starts no threads; a run has its own."""

PATIENCE = 120.0
"""Seconds a template has for its imports, and for an answer."""

LIVES = 3
"""Templates that may die in a row, none of them with a run begun, before runs are begun without."""

LATE = 5.0
"""Seconds after which a template that does not report an end is no longer waited for."""

UNTOLD = 256
"""In place of an exit code: the process has ended, and what could have told how had died before."""


@runtime_checkable
class Process(Protocol):
    """A process that leads a session: what a `subprocess.Popen` has, too."""

    @property
    def pid(self) -> int:
        """Its number, and that of its session."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or ``None`` while it goes on."""

    def wait(self) -> int:
        """Return the exit code once it has ended."""


class TemplateDied(Exception):
    """A template has ended before it did what it was asked for."""


class ForkRefused(Exception):
    """A template may not fork, and why."""


class Template:
    """The end of the line to a template process."""

    def __init__(self, command: Sequence[str], output: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, output.open("ab") as stream:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **SINGLE},
                start_new_session=True,
            )
        self._control, self._ready = ours, False
        self._codes: dict[int, int] = {}
        self.is_alive = True

    def fork(self, heard: int, printed: int, environment: Mapping[str, str]) -> Forked:
        """Begin a process with `heard` as its standard input, `printed` as its output, and these variables.

        Raises
        ------
        TemplateDied
            There is nobody to do it.
        ForkRefused
            It would not be safe.
        """
        if not self.is_alive:
            raise self._gone()
        while not self._ready:
            self._ready = "ready" in self._answer()[0]
        known = {**os.environ, **SINGLE}
        change = {
            "environment": {name: value for name, value in environment.items() if known.get(name) != value},
            "without": [name for name in known if name not in environment],
        }
        with suppress(ConnectionError):  # reading tells, after the reports that are still there
            socket.send_fds(self._control, [json.dumps(change).encode()], [heard, printed])
        message, files = self._answer()
        if "refused" in message:
            raise ForkRefused(message["refused"])
        return Forked(self, message["forked"], files[0])

    def code(self, pid: int) -> int | None:
        """Return the exit code of a child if it has been told."""
        with suppress(TemplateDied):
            while self.is_alive and select.select([self._control], [], [], 0)[0]:
                self._read()
        return self._codes.get(pid)

    def close(self) -> None:
        """Let it end, if it has not; what it forked goes on."""
        if not self.is_alive:
            return
        self.is_alive = False
        self._control.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it may be importing, and would end only afterwards
        self.process.wait()

    def _answer(self) -> tuple[dict[str, Any], list[int]]:
        """Wait for a message that is no report."""
        until = time.monotonic() + PATIENCE
        while select.select([self._control], [], [], max(0.0, until - time.monotonic()))[0]:
            message, files = self._read()
            if message:
                return message, files
        self.close()
        raise TemplateDied(f"it did not answer within {PATIENCE:g} s")

    def _read(self) -> tuple[dict[str, Any], list[int]]:
        """Read one message; a report is noted, and an empty message returned."""
        try:
            text, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        except ConnectionError:
            text, files = b"", []
        if not text:
            raise self._gone()
        message = json.loads(text)
        if "ended" in message:
            self._codes[message["ended"]] = message["code"]
            return {}, []
        return message, files

    def _gone(self) -> TemplateDied:
        self.close()
        return TemplateDied(f"it ended with code {self.process.returncode}")


class Forked:
    """A process that a template has forked; its life can be watched without the template, its exit code not."""

    def __init__(self, template: Template, pid: int, watched: int) -> None:
        self.pid = pid
        self._template, self._watched = template, watched
        self._code: int | None = None
        self._ended: float | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, `UNTOLD` if nobody knows, or ``None`` while it goes on."""
        if self._code is None and select.select([self._watched], [], [], 0)[0]:
            self._ended = self._ended or time.monotonic()
            code = self._template.code(self.pid)
            if code is not None or not self._template.is_alive or time.monotonic() - self._ended > LATE:
                self._code = UNTOLD if code is None else code
                os.close(self._watched)
        return self._code

    def wait(self) -> int:
        """Return the exit code once it has ended."""
        while (code := self.poll()) is None:
            time.sleep(0.001)  # the process is there, or the report of its end is on its way
        return code


class Warm:
    """The template of one engine: begun when it is first needed, and again when it has died.

    Parameters
    ----------
    command
        What runs it; ``None``: nothing, runs are begun without one.
    """

    def __init__(self, command: Sequence[str] | None = TEMPLATE) -> None:
        self._command = command if hasattr(os, "fork") and hasattr(os, "pidfd_open") else None
        self._template: Template | None = None
        self._deaths = 0

    @property
    def pid(self) -> int | None:
        """The process number of the template that is there."""
        return self._template.process.pid if self._template else None

    def fork(self, heard: int, printed: int, environment: Mapping[str, str], folder: Path) -> Forked | None:
        """Begin a process as `Template.fork` does; ``None`` if it has to be done without a template."""
        if len({environment[name] for name in SINGLE if name.endswith("_NUM_THREADS")}) > 1:
            self._give_up("its libraries are to use different numbers of threads")
        while self._command is not None:
            if self._template is None:
                self._template = Template(self._command, folder / "template.log")
            try:
                process = self._template.fork(heard, printed, environment)
            except TemplateDied as error:
                self._template, self._deaths = None, self._deaths + 1
                log.warning("the template of the runs died: %s (log: %s)", error, folder / "template.log")
                if self._deaths >= LIVES:
                    self._give_up(f"{LIVES} templates in a row have died")
            except ForkRefused as error:
                self._give_up(str(error))
            else:
                self._deaths = 0
                return process
        return None

    def close(self) -> None:
        """Let the template end; what it forked goes on, and its end is seen, but not how."""
        if self._template is not None:
            self._template.close()
            self._template = None

    def _give_up(self, why: str) -> None:
        if self._command is not None:
            log.warning("runs are not forked from a template, each imports everything itself: %s", why)
        self.close()
        self._command = None
