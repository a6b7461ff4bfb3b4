from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import DDIM, DDPM, Schedule
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.errors import DiskError, ModelError, OutputError, StoreError
from symdiff.trajectories import cache_directory, read_store, record, record_store, recorded, store_key

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
    monkeypatch.setattr("symdiff.trajectories.cache.SHARD_BYTES", 3 * 4 * 16 * (6 + 5))
    calls: list[tuple[int, int]] = []
    streamed, _ = recorded(
        gaussian, DDPM(), 5, 10, device="cpu", cache=tmp_path, on_progress=lambda *done: calls.append(done)
    )
    (store,) = tmp_path.iterdir()
    assert len(list(store.glob("0*.safetensors"))) == 4
    torch.testing.assert_close(streamed.states, record(gaussian, DDPM(), 5, 10, device="cpu").states)
    assert calls == sorted(set(calls))
    assert calls[-1] == (50, 50)


def test_anything_that_changes_the_numbers_changes_the_key(gaussian) -> None:
    def key(model=gaussian, sampler=None, steps=5, trajectories=6, seed=1, clip=False) -> str:
        return store_key(model, sampler or DDPM(), steps, trajectories, seed, clip=clip)

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
def test_an_interrupted_recording_leaves_nothing(scripted, tmp_path: Path, monkeypatch, error) -> None:
    monkeypatch.setattr("symdiff.trajectories.cache.SHARD_BYTES", 1)
    calls: list[int] = []

    def answer(x, t):
        calls.append(t)
        if len(calls) == 13:  # in the third of six shards
            assert len(list(tmp_path.glob(".symdiff-*/0*.safetensors"))) == 2
            raise error
        return x / 2

    with pytest.raises(type(error)):
        recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path)
    assert content(tmp_path) == []


def test_the_loser_of_two_writers_discards_its_copy(scripted, tmp_path: Path) -> None:
    def answer(x, t):
        if not list(tmp_path.glob("[!.]*")):  # the other one finishes while this one is at its first step
            recorded(scripted(lambda x, t: x / 2), DDPM(), **SETTINGS, cache=tmp_path)
        return x / 2

    mine, from_cache = recorded(scripted(answer), DDPM(), **SETTINGS, cache=tmp_path)
    assert not from_cache
    (store,) = tmp_path.iterdir()
    assert torch.equal(read_store(store).states, mine.states)


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
