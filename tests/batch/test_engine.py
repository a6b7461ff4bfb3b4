"""Workers share the machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from symdiff.batch.engine import Resources, find_engine
from symdiff.batch.local import Local
from symdiff.errors import DeviceError, UsageError


def test_workers_share_the_processors(monkeypatch):
    monkeypatch.setattr("symdiff.batch.local.cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert Local(Resources(jobs=3)).environment(0)["OMP_NUM_THREADS"] == "2"
    assert Local(Resources(jobs=20)).environment(0)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert Local(Resources(jobs=1)).environment(0)["OMP_NUM_THREADS"] == "4"
    assert Local(Resources(jobs=4)).environment(0)["OMP_NUM_THREADS"] == "2"


def test_workers_are_spread_over_the_gpus_this_process_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7,9")
    engine = Local(Resources(jobs=4, gpus=2))
    assert [engine.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(4)] == ["5", "7", "5", "7"]
    assert Local(Resources(gpus=2)).capacity == 2
    assert Local(Resources(jobs=1)).environment(0)["CUDA_VISIBLE_DEVICES"] == "5,7,9"
    assert Local(Resources(gpus=0)).environment(0)["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(DeviceError, match="--gpus is 4, but there are 3"):
        Local(Resources(gpus=4))


def test_an_engine_is_the_cores_own_or_a_plugins(monkeypatch):
    assert find_engine("local") is Local
    with pytest.raises(UsageError) as caught:
        find_engine("locl")
    assert "did you mean 'local'?" in caught.value.hint

    registry = SimpleNamespace(engines={"cluster": dict})
    monkeypatch.setattr("symdiff.batch.engine.load_plugins", lambda: registry)
    assert find_engine("cluster") is dict
    registry.engines = {"local": dict}
    with pytest.raises(UsageError, match="claims the engine 'local'"):
        find_engine("local")
