"""Stands in for a worker: fast, imports nothing of symdiff, and misbehaves as $FAKE says, by seed."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    job = json.loads(sys.stdin.buffer.raw.readline())
    threading.Thread(target=follow_the_parent, daemon=True).start()
    config, out = job["config"], Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    wishes = json.loads(os.environ.get("FAKE", "{}"))
    wish = wishes.get(str(config["seed"]), "ok")
    describe(config, out, out.name)
    print(f"seed {config['seed']} on {os.environ['OMP_NUM_THREADS']} threads", flush=True)
    if wish == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif wish == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (out / "child").write_text(str(child.pid))
        (out / "pid").write_text(str(os.getpid()))
        time.sleep(600)
    elif wish == "crash":
        sys.exit(3)
    elif wish == "nothing":
        return
    elif wish == "refuse":
        told = {"code": "non-finite", "message": "the <loss> is NaN in /home/somebody/model.py", "hint": "train less"}
        Path(job["cause"]).write_text(json.dumps(told))
        sys.exit(1)
    elif wish == "slow":
        time.sleep(1)
    elif wish == "wait":
        (out / "pid").write_text(str(os.getpid()))
        while not (out.parent.parent / "go").exists():
            time.sleep(0.05)
    elif wish == "fill":
        with (out.parents[1] / "filler").open("wb", buffering=0) as stream:
            while True:
                stream.write(b"x" * 1024)
    elif wish == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            (out / "result.json").write_text("x" * 10_000)
        except OSError as error:
            (out / "result.json").unlink()
            told = {"code": "disk", "message": f"cannot write {out}: {error.strerror}", "hint": "free some room"}
            Path(job["cause"]).write_text(json.dumps(told))
            sys.exit(1)
    elif wish == "leak":
        kept = []
        while True:
            kept.append(b"x" * 2**22)
            time.sleep(0.01)
    finish(config, out)


def follow_the_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def describe(config: dict, out: Path, run_id: str) -> None:
    kept = {key: value for key, value in config.items() if key != "device" and (key != "plain" or value)}
    text = json.dumps({"symdiff": os.environ["FAKE_VERSION"], **kept}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (out / "config.json").write_text(json.dumps({"run_id": run_id, "config_hash": digest, "config": config}))


def finish(config: dict, out: Path) -> None:
    seed = config["seed"]
    base = 0.1 if config["options"].get("rho") == "exact" else 0.5
    figures = {"homomorphism_error": base + 0.01 * seed, "equivariance_skill": 0.9 - base + 0.01 * (seed % 2)}
    result = {
        "schema": "symdiff.result/1",
        "symdiff_version": os.environ["FAKE_VERSION"],
        "group": config["group"],
        "model": config["model"],
        "config": config,
        "diagnostics": {
            name: {"value": value, "n": 64, "better": "higher" if "skill" in name else "lower"}
            for name, value in figures.items()
        },
        "verdict": {"structured": "supported", "reason": "", "claims": {}},
    }
    (out / "result.json").write_text(json.dumps(result))
    (out / "report.html").write_text("<p>report</p>")
    (out / "status.json").write_text(json.dumps({"state": "done"}))


if __name__ == "__main__":
    main()
