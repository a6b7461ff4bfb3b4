"""What a fresh interpreter pays for importing: a command that only prints, a notebook, everything.

No physical limit is printed: the floor of importing is importing torch alone, the reference.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.measure import Table

IMPORTS = {
    "nothing": "pass",
    "symdiff": "import symdiff",
    "symdiff.cli": "import symdiff.cli",
    "torch alone": "import torch",
    "symdiff.analyze": "import symdiff.analyze",
}
REPEATS = 3
HEAVY = ("torch", "diffusers", "sklearn", "scipy", "matplotlib", "escnn", "geomstats", "ray")
MEASURE = """
import sys, time
start = time.process_time()
{statement}
spent = time.process_time() - start
import json
heavy = [name for name in {heavy} if name in sys.modules]
status = dict(line.split(":", 1) for line in open("/proc/self/status")) if sys.platform == "linux" else {{}}
peak = int(status["VmHWM"].split()[0]) / 1024 if status else None
print(json.dumps([spent, len(sys.modules), peak, heavy]))
"""


def run() -> Table:
    """CPU seconds, the least of some interpreters, and which heavy libraries come along."""
    found = {name: [_once(statement) for _ in range(REPEATS)] for name, statement in IMPORTS.items()}
    times = {name: min(run[0] for run in runs) for name, runs in found.items()}
    ratios = [a[0] / b[0] for a, b in zip(found["symdiff.analyze"], found["torch alone"], strict=True)]
    return Table(
        title="Importing in a fresh interpreter, CPU seconds",
        rows=[
            {
                "import": name,
                "seconds": times[name],
                "modules": runs[0][1],
                "megabytes": runs[0][2],
                "heavy libraries": ", ".join(runs[0][3]) or "none",
            }
            for name, runs in found.items()
        ],
        conclusions={
            "everything against torch alone, the limit": statistics.median(ratios),
            "spread": f"{min(ratios):.2f} ... {max(ratios):.2f}",
        },
    )


def _once(statement: str) -> tuple[float, int, float | None, list[str]]:
    command = [sys.executable, "-c", MEASURE.format(statement=statement, heavy=HEAVY)]
    spent, modules, megabytes, heavy = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return spent, modules, megabytes, heavy
