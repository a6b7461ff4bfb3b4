"""A study whose runs, template and command are killed at random ends with every result, once and whole."""

from __future__ import annotations

from benchmarks.batch_faults import Faults


def test_a_study_under_fire_loses_nothing_and_leaves_nothing(tmp_path):
    faults = Faults(tmp_path, runs=24, jobs=4, seconds=0.5, kinds=("run", "run", "template", "command"))
    [row] = faults.run().rows
    assert row["killed"] == {"run": 2, "template": 1, "command": 1}
    assert (row["runs"], row["done once"], row["half-written"]) == (24, 24, 0)
    assert (row["run again"], row["processes left"]) == (0, 0)
    assert row["commands"] >= 2
    assert row["attempts"] > 24
