from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Schedule
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.errors import DiskError, ModelError, OutputError, StoreError
from symdiff.trajectories import cache_directory, is_recording, read_store, record, record_store, recorded, store_key

SETTINGS = {"steps": 5, "trajectories": 6, "seed": 1, "device": "cpu"}


def content(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


def test_the_second_time_the_recording_comes_from_the_cache(scripted, tmp_path: Path) -> None:
    calls: list[int] = []

    def answer(x, t):
        calls.append(t)
        return x / 2

    first, from_cache = recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path)
    assert not from_cache
    assert len(calls) == 5
    second, from_cache = recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path)
    assert from_cache
    assert len(calls) == 5
    plain = record(scripted(answer), DDPM(), **SETTINGS)
    for recording in (first, second):
        assert torch.equal(recording.states, plain.states)
        assert torch.equal(recording.denoised, plain.denoised)
        assert all(torch.equal(recording.gauges[name], plain.gauges[name]) for name in plain.gauges)
        assert recording.info == plain.info


def test_a_recording_streamed_in_shards_is_the_recording(gaussian, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symdiff.trajectories.ongoing.SHARD_BYTES", 3 * 4 * 16 * (6 + 5))
    calls: list[tuple[int, int]] = []
    streamed, _ = recorded(
        gaussian, DDPM(), 5, 10, device="cpu", cache=tmp_path, on_progress=lambda *done: calls.append(done)
    )
    (store,) = tmp_path.iterdir()
    assert len(list(store.glob("0*.safetensors"))) == 4
    plain = record(gaussian, DDPM(), 5, 10, device="cpu")
    assert torch.equal(streamed.states, plain.states)
    assert torch.equal(streamed.denoised, plain.denoised)
    assert calls == sorted(set(calls))
    assert calls[-1] == (50, 50)


def test_anything_that_changes_the_numbers_changes_the_key(gaussian) -> None:
    def key(model=gaussian, sampler=None, steps=5, trajectories=6, seed=1, **more) -> str:
        return store_key(model, sampler or DDPM(), steps, trajectories, seed, **more)

    other_schedule = GaussianDenoiser(gaussian.mean, gaussian.covariance, Schedule.cosine())
    other_mean = GaussianDenoiser(gaussian.mean + 1e-9, gaussian.covariance)
    keys = [
        key(),
        key(sampler=DDPM("fixed_large")),
        key(sampler=DDIM()),
        key(sampler=DDIM(eta=0.5)),
        key(steps=6),
        key(trajectories=7),
        key(seed=2),
        key(clip=True),
        key(every=2),
        key(dtype="bf16"),
        key(model=other_schedule),
        key(model=other_mean),
    ]
    assert len(set(keys)) == len(keys)
    assert key(model=GaussianDenoiser(gaussian.mean, gaussian.covariance)) == keys[0]


def test_a_damaged_entry_is_recorded_again(gaussian, tmp_path: Path) -> None:
    before, _ = recorded(gaussian, DDPM(), **SETTINGS, cache=tmp_path)
    shard = next(tmp_path.glob("*/00000.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.warns(RuntimeWarning, match=r"recording again, as the cache is damaged: .*00000.safetensors has \d+ b"):
        after, from_cache = recorded(gaussian, DDPM(), **SETTINGS, cache=tmp_path)
    assert not from_cache
    assert torch.equal(after.states, before.states)
    assert recorded(gaussian, DDPM(), **SETTINGS, cache=tmp_path)[1]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ModelError("broken")], ids=["Ctrl-C", "an error"])
def test_what_an_interrupted_recording_finished_is_not_recorded_again(scripted, tmp_path: Path, monkeypatch, error):
    monkeypatch.setattr("symdiff.trajectories.ongoing.SHARD_BYTES", 1)
    asked: list[int] = []

    def answer(x, t):
        asked.append(t)
        if len(asked) == 13:  # the third step of the third batch of two
            raise error
        return x / 2

    with pytest.raises(type(error)):
        recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path, batch_size=2)
    (store,) = tmp_path.iterdir()
    assert not is_recording(store)
    kept = {path.name: path.stat().st_mtime_ns for path in store.glob("*.safetensors")}
    assert len(kept) == 4
    resumed, from_cache = recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path, batch_size=2)
    assert not from_cache
    assert len(asked) == 13 + 5
    assert kept.items() <= {path.name: path.stat().st_mtime_ns for path in store.iterdir()}.items()
    plain = record(scripted(lambda x, t: x / 2), DDPM(), **SETTINGS)
    assert torch.equal(resumed.states, plain.states)
    assert torch.equal(resumed.denoised, plain.denoised)


RACING = """
import sys, time
from pathlib import Path
from symdiff.diffusion import DDPM, Denoiser, Schedule
from symdiff.trajectories import recorded

class Waiting(Denoiser):
    def denoise(self, x, t):
        while len(list(folder.glob("begun-*"))) < 2:  # until the other one is there as well
            time.sleep(0.01)
        return x / 2

folder = Path(sys.argv[1])
model = Waiting("waiting", (1, 2, 2), Schedule.linear(), "waiting")
(folder / f"begun-{sys.argv[2]}").touch()
recording, from_cache = recorded(model, DDPM(), 3, 4, device="cpu", cache=folder / "cache")
print(from_cache, recording.states.double().sum().item())
"""


def test_of_two_processes_that_want_the_same_one_records_and_the_other_waits(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", RACING, str(tmp_path), str(i)] for i in range(2)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    answers = sorted(process.communicate(timeout=120)[0] for process in processes)
    (store,) = (tmp_path / "cache").iterdir()
    total = read_store(store).states.double().sum().item()
    assert answers == [f"False {total}\n", f"True {total}\n"]


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYMDIFF_CACHE", str(tmp_path / "here"))
    assert cache_directory() == tmp_path / "here"
    monkeypatch.delenv("SYMDIFF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory().name == "symdiff"


def test_a_cache_that_cannot_be_made_is_a_disk_error(gaussian, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot write") as caught:
        recorded(gaussian, DDPM(), **SETTINGS, cache=tmp_path / "file" / "cache")
    assert "SYMDIFF_CACHE" in caught.value.hint


def test_recording_into_a_directory_twice_is_recording_once(gaussian, tmp_path: Path) -> None:
    assert not record_store(tmp_path / "out", gaussian, DDPM(), **SETTINGS)
    before = {path: path.stat().st_mtime_ns for path in content(tmp_path)}
    assert record_store(tmp_path / "out", gaussian, DDPM(), **SETTINGS)
    assert {path: path.stat().st_mtime_ns for path in content(tmp_path)} == before
    torch.testing.assert_close(read_store(tmp_path / "out").states, record(gaussian, DDPM(), **SETTINGS).states)


def _another_recording(out: Path, gaussian) -> None:
    record_store(out, gaussian, DDIM(), **SETTINGS)


def _a_folder_of_papers(out: Path, gaussian) -> None:
    out.mkdir()
    (out / "thesis.tex").touch()


@pytest.mark.parametrize("occupy", [_another_recording, _a_folder_of_papers, lambda out, gaussian: out.touch()])
def test_a_directory_that_holds_something_else_is_refused(gaussian, tmp_path, occupy: Callable[..., None]) -> None:
    occupy(tmp_path / "out", gaussian)
    before = content(tmp_path)
    with pytest.raises(OutputError, match="already holds something"):
        record_store(tmp_path / "out", gaussian, DDPM(), **SETTINGS)
    assert content(tmp_path) == before


def test_a_directory_with_a_damaged_manifest_is_left_to_its_owner(gaussian, tmp_path: Path) -> None:
    record_store(tmp_path / "out", gaussian, DDPM(), **SETTINGS)
    (tmp_path / "out" / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="unreadable"):
        record_store(tmp_path / "out", gaussian, DDPM(), **SETTINGS)
