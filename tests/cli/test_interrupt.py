"""Ctrl-C during a real analysis."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from symdiff.errors import InterruptedRunError

# A test runner in the background may have Ctrl-C ignored, which its children inherit.
CODE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from symdiff.cli import main\n"
    "main(['analyze', 'gaussian', '--trajectories', '20', '--steps', '10', '--train-steps', '100000',"
    " '--out', 'run', '--json'])"
)


def test_an_interrupted_analysis_saves_its_state_and_says_so(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "train\n":
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    document = json.loads(out)
    assert process.returncode == InterruptedRunError.exit_code == 130
    assert (document["schema"], document["code"]) == ("symdiff.error/1", "interrupted")
    assert "the same command goes on from there" in document["hint"]
    assert "Traceback" not in err
    run = Path(tmp_path) / "run"
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
    assert not list(run.glob(".*"))
    assert not (run / "result.json").exists()
