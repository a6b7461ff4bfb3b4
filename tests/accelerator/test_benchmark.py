"""The benchmark of GPUs runs on the CPU, at small sizes, and compares what is equal."""

from __future__ import annotations

import math

import pytest

from benchmarks import gpu_step, measure


def test_the_benchmark_of_gpus_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "ROUNDS", 1)
    monkeypatch.setattr(measure, "ROUND_SECONDS", 1e-6)
    table = gpu_step.run()
    assert [row["what"].split(",")[0].split(" ")[0] for row in table.rows] == [
        "sixteen", "large", "large", "recording", "scan",
    ]  # fmt: skip
    assert all(math.isfinite(row["reference over ours"]) and row["reference over ours"] > 0 for row in table.rows)
    assert table.rows[0]["loss differs"] < 1e-5
    assert table.rows[4]["latents differ"] < 1e-5
    assert "the CPU" in table.title
