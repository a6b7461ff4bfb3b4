"""Stands in for a run, and for the template of runs: it takes the seconds it is told and computes nothing.

``stand_in.py SECONDS worker`` reads a job like a worker of symdiff; ``stand_in.py SECONDS template FD`` is asked like
its template, by the very code of it. Neither imports symdiff, so that what is measured is what a study adds.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

VERSION = "STAND_IN_VERSION"
"""Variable: the version of symdiff that results are to name."""


def work(seconds: float) -> None:
    """Be one run: half of the time before anything is written, half with a part of it there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    job = json.loads(_line())
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    out = Path(job["out"])
    ledger = out.parents[1].with_suffix(".ledger")
    _note(ledger, f"{'again' if (out / 'result.json').exists() else 'begun'} {out.name}")
    time.sleep(seconds / 2)
    out.mkdir(parents=True, exist_ok=True)
    replace(out / "config.json", described(job["config"], out.name))
    replace(out / "status.json", {"state": "running", "pid": os.getpid()})
    time.sleep(seconds / 2)
    finish(job["config"], out)


def finish(config: dict[str, Any], out: Path) -> None:
    """Write what a finished run consists of, as far as a study looks at it."""
    seed = config["seed"]
    figures = {"homomorphism_error": 0.1 + 0.01 * (seed % 7), "equivariance_skill": 0.9}
    diagnostics = {
        name: {"value": value, "n": 64, "better": "higher" if "skill" in name else "lower"}
        for name, value in figures.items()
    }
    replace(out / "config.json", described(config, out.name))
    replace(
        out / "result.json",
        {
            "schema": "symdiff.result/1",
            "symdiff_version": os.environ[VERSION],
            "group": config["group"],
            "model": config["model"],
            "config": config,
            "diagnostics": diagnostics,
            "verdict": {"structured": "supported", "reason": "", "claims": {}},
        },
    )
    (out / "report.html").write_text("<p>report</p>", encoding="utf-8")
    replace(out / "status.json", {"state": "done"})


def described(config: dict[str, Any], run_id: str) -> dict[str, Any]:
    """What a run directory says about its run."""
    kept = {key: value for key, value in config.items() if key != "device" and (key != "plain" or value)}
    text = json.dumps({"symdiff": os.environ[VERSION], **kept}, sort_keys=True)
    return {"run_id": run_id, "config_hash": hashlib.sha256(text.encode()).hexdigest(), "config": config}


def replace(file: Path, document: dict[str, Any]) -> None:
    """Write a document, complete or not at all."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(file)


def _note(ledger: Path, text: str) -> None:
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def _line() -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            os._exit(1)
        found += piece
    return found


def _follow_the_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _serve(descriptor: int) -> None:
    file = Path(__file__).parents[1] / "symdiff" / "batch" / "template.py"
    spec = spec_from_file_location("template", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.serve(socket.socket(fileno=descriptor))


if __name__ == "__main__":
    if sys.argv[2] == "template":
        _serve(int(sys.argv[-1]))
    work(float(sys.argv[1]))
