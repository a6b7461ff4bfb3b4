"""What a study adds to its runs: to each of them, to a resumption with a thousand there, and to the page of them.

No physical limit is printed: what is timed are starts of interpreters, which are the reference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.batch_faults import PARENT, STAND_IN
from benchmarks.measure import Table
from benchmarks.stand_in import VERSION, finish
from symdiff import __version__
from symdiff.batch.directory import StudyDirectory
from symdiff.batch.engine import Job, Resources
from symdiff.batch.local import Local
from symdiff.batch.pages import Pages
from symdiff.batch.study import read_study
from symdiff.rundir import write_document

SMALL = """
[study]
name = "small"
[defaults]
model = "gaussian"
steps = 4
trajectories = 20
length = 2
latent = 2
train_steps = 2
[matrix]
seed = {seeds}
"""

REPEATS = 2

RUNS = 1000


def run() -> Table:
    """Overhead of a run, forked and fresh; resumption and page of a thousand runs."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [overhead(Path(folder), name) for name in ("forked", "fresh")]
        conclusions = thousand(Path(folder))
    return Table(
        title=f"What a study adds to a run of the smallest analysis, least of {REPEATS} runs after the first",
        rows=rows,
        conclusions=conclusions,
        notes=(
            "in the run: its own phases, from the recording to the report; added: everything else, from the request "
            "to the moment the study learns of the end. The first run of the forked ones also waits for the template.",
        ),
    )


def overhead(folder: Path, name: str) -> dict[str, Any]:
    """Seconds of runs as the engine sees them, and as they see themselves."""
    file = folder / f"{name}.toml"
    file.write_text(SMALL.format(seeds=list(range(REPEATS + 1))))
    os.environ["SYMDIFF_CACHE"] = str(folder / "cache" / name)
    engine = Local(Resources(jobs=1)) if name == "forked" else Local(Resources(jobs=1), template=None)
    found = []
    for index, one in enumerate(read_study(file).runs):
        out = folder / name / str(index)
        began = time.perf_counter()
        engine.start(Job(one.run_id, one.config, out, folder / name / f"{index}.log"))
        while not (ended := engine.wait(60.0)):
            pass
        took = time.perf_counter() - began
        if ended[0].cause is not None:
            raise RuntimeError(ended[0].cause.message)
        itself = sum(json.loads((out / "result.json").read_text())["timing"].values())
        found.append((took - itself, took, itself))
    engine.stop()
    added, took, itself = min(found[1:])
    return {
        "run": name,
        "first s": found[0][1],
        "later s": took,
        "in the run s": itself,
        "added s": added,
        "added / in the run": added / itself,
    }


def thousand(folder: Path) -> dict[str, Any]:
    """A study of which all runs but one are done: until that begins, and the pages of all."""
    os.environ[VERSION] = __version__
    file = folder / "many.toml"
    file.write_text(
        f'[study]\nname = "many"\n[defaults]\nmodel = "gaussian"\n[matrix]\nseed = {list(range(RUNS // 2))}\n'
        '[matrix.options.affine]\nrho = ["exact", "lie"]\n'
    )
    study = read_study(file)
    directory = StudyDirectory(study, folder / "many")
    with directory.held():
        directory.write_status("stopped")
        for one in study.runs[:-1]:
            out = directory.run_directory(one)
            out.mkdir(parents=True)
            finish(one.config.model_dump(mode="json"), out)
    bare = _seconds([sys.executable, "-c", "import symdiff.batch.running, symdiff.batch.pages"], folder)
    new = directory.run_directory(study.runs[-1]) / "config.json"
    base = [sys.executable, "-S", STAND_IN, "0", "worker"]
    environment = {**os.environ, "STAND_IN": json.dumps([base, None])}
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(file), "-q"], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    began = time.perf_counter()
    while not new.exists() and process.poll() is None:
        time.sleep(0.005)
    resumed = time.perf_counter() - began
    process.wait()
    directory = StudyDirectory(study, folder / "many")
    began = time.perf_counter()
    Pages(directory).write(at_last=True)
    paged = time.perf_counter() - began
    began = time.perf_counter()
    write_document(folder / "status.json", directory.status("running"))
    return {
        f"seconds until the first new run of {RUNS} begins": resumed,
        "of which are imports": bare,
        f"seconds for the pages of {RUNS} runs": paged,
        f"seconds for the status of {RUNS} runs": time.perf_counter() - began,
    }


def _seconds(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    return time.perf_counter() - began
