"""One run in a process of its own: ``python -m symdiff.batch.worker``, told what to do on its standard input.

The input stays open as long as the parent lives; its end is how a worker learns that nobody waits for it any more,
whatever ended the parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from symdiff.errors import SymdiffError


def main() -> int:
    """Do the job on the standard input; a cause of failure is written to the file the job names."""
    job = json.loads(_line())
    with suppress(OSError):  # Linux: where memory runs out, a worker goes rather than the parent
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    threading.Thread(target=_die_with_the_parent, daemon=True).start()
    # A parent in the background may have Ctrl-C ignored, which its children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _analyze(job)
    except SymdiffError as error:
        return _told(job, error.exit_code, error.code, error.message, error.hint)
    except KeyboardInterrupt:
        return _told(job, 130, "interrupted", "interrupted before the run began", "")
    except MemoryError as error:
        return _told(job, 1, "memory", f"not enough memory: {error}", "choose fewer trajectories or fewer --jobs")
    except BaseException as error:
        traceback.print_exc()
        return _told(job, 1, "internal", " ".join(f"{type(error).__name__}: {error}".split()), "its log shows where")
    return 0


def _analyze(job: dict[str, Any]) -> None:
    from symdiff.allocator import keep_freed_memory
    from symdiff.analyze import analyze
    from symdiff.batch.telling import ToFile
    from symdiff.config import RunConfig

    keep_freed_memory()
    progress = ToFile(Path(job["progress"])) if "progress" in job else None
    analyze(RunConfig.model_validate(job["config"]), Path(job["out"]), progress=progress)


def _told(job: dict[str, Any], code: int, kind: str, message: str, hint: str) -> int:
    from symdiff.rundir import write_document

    write_document(Path(job["cause"]), {"code": kind, "message": message, "hint": hint})
    return code


def _line() -> bytes:
    """Read one line without a buffer: a thread that waits in a buffered read cannot be left at exit."""
    found = b""
    while not found.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            raise SystemExit("the parent ended before it said what to do")
        found += piece
    return found


def _die_with_the_parent() -> None:
    while os.read(0, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
