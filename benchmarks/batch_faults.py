"""A study of many short runs, while its runs, its templates and the command itself are killed at random.

No physical limit is printed: what is timed are processes that wait on purpose.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Table
from benchmarks.stand_in import VERSION
from symdiff import __version__

STAND_IN = str(Path(__file__).with_name("stand_in.py"))

PARENT = (
    "import functools, json, os, sys; import symdiff.batch.local as local; from symdiff.cli import main;"
    "worker, template = json.loads(os.environ['STAND_IN']);"
    "local.Local = functools.partial(local.Local, worker=worker, template=template);"
    "main(['batch', 'run', *sys.argv[1:]])"
)
"""`symdiff batch run`, whose runs are stand-ins."""

KINDS = ("run",) * 12 + ("template",) * 4 + ("command",) * 4
"""What is killed, in an order that is drawn."""

RUNS, JOBS, SECONDS = 200, 8, 1.0


def run() -> Table:
    """The whole of it; see `Faults`."""
    with tempfile.TemporaryDirectory() as folder:
        return Faults(Path(folder), RUNS, JOBS, SECONDS, KINDS).run()


@dataclass
class Faults:
    """One study under fire.

    Attributes
    ----------
    folder
        Where it is written.
    runs, jobs, seconds
        How many runs, how many at a time, and how long each takes.
    kinds
        What is killed, once each.
    seed
        Of the order, of the moments and of the victims.
    """

    folder: Path
    runs: int
    jobs: int
    seconds: float
    kinds: tuple[str, ...]
    seed: int = 0
    killed: list[str] = field(default_factory=list)
    commands: int = 0

    def run(self) -> Table:
        """Kill, begin the same command again until it says that all is done, and look at what is there."""
        study = self.folder / "study.toml"
        study.write_text(
            f'[study]\nname = "s"\n[defaults]\nmodel = "gaussian"\n[matrix]\nseed = {list(range(self.runs))}\n'
        )
        draw = random.Random(self.seed)
        kinds = draw.sample(self.kinds, len(self.kinds))
        began = time.monotonic()
        process = self._command(study)
        while True:
            code = process.poll()
            if code == 0:
                break
            if code is not None:
                process = self._command(study)
            if kinds and self._kill(kinds[-1], process, draw):
                self.killed.append(kinds.pop())
            time.sleep(draw.uniform(0.3, 1.0) * self.seconds)
        elapsed = time.monotonic() - began
        row = {"killed": dict(Counter(self.killed)), "commands": self.commands, "seconds": elapsed, **self._look()}
        return Table(
            title=f"{self.runs} runs of {self.seconds:g} s, {self.jobs} at a time, under {len(self.killed)} kill -9",
            rows=[row],
            conclusions={
                "every run has one result, whole": row["done once"] == self.runs and not row["half-written"],
                "finished runs that were run again": row["run again"],
                "processes left": row["processes left"],
                "times the time without any fault": elapsed / (self.runs * self.seconds / self.jobs),
            },
            notes=("The command was begun again at once after every end; importing symdiff takes it seconds.",),
        )

    def _command(self, study: Path) -> subprocess.Popen[bytes]:
        self.commands += 1
        base = [sys.executable, "-S", STAND_IN, str(self.seconds)]
        commands = [[*base, "worker", str(self.folder)], [*base, "template", str(self.folder)]]
        environment = {**os.environ, VERSION: __version__, "STAND_IN": json.dumps(commands)}
        flags = ["--jobs", str(self.jobs), "--retry-failed", "-q"]
        return subprocess.Popen(
            [sys.executable, "-c", PARENT, str(study), *flags],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _kill(self, kind: str, process: subprocess.Popen[bytes], draw: random.Random) -> bool:
        """Kill one of a kind if the study is at work; whether that was done."""
        family = self._processes()
        templates = [pid for pid, parent in family.items() if parent == process.pid]
        runs = sorted(set(family) - set(templates))
        victims = {"run": runs, "template": templates, "command": [process.pid] if runs else []}[kind]
        if not victims:
            return False
        with suppress(ProcessLookupError):
            os.kill(draw.choice(victims), signal.SIGKILL)
            return True
        return False

    def _processes(self) -> dict[int, int]:
        """The templates and runs that are there, zombies aside, with their parents."""
        found = {}
        for place in Path("/proc").iterdir():
            if place.name.isdecimal():
                with suppress(OSError):
                    words = (place / "cmdline").read_bytes().split(b"\0")
                    if STAND_IN.encode() in words and str(self.folder).encode() in words:
                        stat = (place / "stat").read_text().rpartition(")")[2].split()
                        if stat[0] != "Z":
                            found[int(place.name)] = int(stat[1])
        return found

    def _look(self) -> dict[str, Any]:
        """Count what is there, what is there half, and what should not be there."""
        place = self.folder / "s"
        lines = [json.loads(line) for line in (place / "results.jsonl").read_text().splitlines()]
        done = Counter(line["run_id"] for line in lines if line["state"] == "done" and line["diagnostics"])
        half = [str(file) for file in place.rglob(".*.tmp")]
        for file in (*place.glob("*.json"), *place.glob("runs/*/*.json")):
            try:
                json.loads(file.read_text())
            except ValueError:
                half.append(str(file))
        # What is half-written by a run that was killed lies beside its result under a hidden name; a stand-in does
        # not clean up after another as a run does.
        half = [file for file in half if "/runs/" not in file or not file.endswith(".tmp")]
        ledger = Counter(line.split()[0] for line in (self.folder / "s.ledger").read_text().splitlines())
        attempts = [run["attempts"] for run in json.loads((place / "status.json").read_text())["runs"]]
        time.sleep(0.5)
        return {
            "runs": len(done),
            "done once": sum(count == 1 for count in done.values()),
            "half-written": len(half),
            "run again": ledger["again"],
            "attempts": sum(attempts),
            "processes left": len(self._processes()),
        }
