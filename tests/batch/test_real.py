"""A study of real runs, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import threading

from symdiff.result import load_result
from tests.batch.conftest import until
from tests.cli.conftest import symdiff  # noqa: F401 - a fixture

STUDY = """
[study]
name = "real"
[defaults]
model = "gaussian"
steps = 4
trajectories = 20
length = 2
latent = 2
train_steps = 2
[defaults.options.affine]
rho = "exact"
[matrix]
seed = [0, 1]
"""


def test_a_killed_run_is_failed_the_other_is_done_and_a_retry_finishes_the_study(symdiff, tmp_path):  # noqa: F811
    file = tmp_path / "here" / "real.toml"
    file.write_text(STUDY)
    first, second = (run["run_id"] for run in symdiff("batch", "run", file, "--dry-run", "--json").document["runs"])
    folder = tmp_path / "here" / "real"

    def kill() -> None:
        status = folder / "runs" / first / "status.json"
        until(status.exists, "the run begins")
        os.kill(json.loads(status.read_text())["pid"], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    ran = symdiff("batch", "run", file, "--json")
    killer.join()
    assert ran.code == 4
    assert [run["state"] for run in ran.document["runs"]] == ["failed", "done"]
    assert "SIGKILL" in ran.document["runs"][0]["cause"]["message"]
    assert not (folder / "runs" / first / "result.json").exists()
    page = (folder / "index.html").read_text()
    assert "1 failed" in page
    assert f"runs/{second}/report.html" in page

    again = symdiff("batch", "run", file, "--retry-failed", "--json")
    assert again.code == 0
    assert [(run["state"], run["cached"], run["attempts"]) for run in again.document["runs"]] == [
        ("done", False, 2),
        ("done", True, 1),
    ]
    assert load_result(folder / "runs" / first).config["seed"] == 0
    assert "2 of 2 done" in (folder / "index.html").read_text()
