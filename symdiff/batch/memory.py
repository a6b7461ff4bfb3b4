"""How much memory the processes of a run hold, by what Linux tells of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from symdiff.errors import DeviceError

PROCESSES = Path("/proc")

HELD = ("RssAnon:", "RssShmem:")
"""Lines of ``/proc/PID/status``: what the system cannot take back. Pages of files, such as those of a recording that is
read from disk, are left out, for it can."""


def refuse_without_figures() -> None:
    """Raise `DeviceError` where processes do not tell their memory."""
    if not (PROCESSES / "self" / "status").exists():
        raise DeviceError("--memory needs /proc, which this system does not have", "leave --memory out")


def resident(sessions: Collection[int]) -> dict[int, int]:
    """Return the bytes held by all processes of each session that is asked for.

    What processes share, such as a run and the template it is a fork of, counts for each of them: nobody knows whose it
    is going to be.
    """
    found = dict.fromkeys(sessions, 0)
    for folder in PROCESSES.iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            # The name, in parentheses, may hold anything; behind it: state, parent, group, session.
            session = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[3])
            if session in found:
                lines = (folder / "status").read_text(encoding="utf-8").splitlines()
                found[session] += sum(1024 * int(line.split()[1]) for line in lines if line.startswith(HELD))
    return found
