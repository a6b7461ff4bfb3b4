from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.errors import StoreError
from symdiff.trajectories import GAUGES, Trajectories, read_manifest, read_store, write_store
from symdiff.trajectories.shards import shard_ranges

SHARED = ("timesteps", "alpha_bar", "scale", "state_coefficient", "denoised_coefficient", "noise_std")


def assert_same(a: Trajectories, b: Trajectories) -> None:
    for name in ("states", "denoised", *SHARED):
        first, second = getattr(a, name), getattr(b, name)
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    assert a.gauges.keys() == b.gauges.keys()
    assert all(torch.equal(a.gauges[name], b.gauges[name]) for name in a.gauges)
    assert a.info == b.info
    assert a.one_step == b.one_step


@st.composite
def recordings(draw: st.DrawFn) -> Trajectories:
    """Recordings of any small shape; the eps gauge is infinite at the first step, as at zero terminal SNR."""
    count, steps, c, h, w = (draw(st.integers(1, n)) for n in (7, 5, 3, 3, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    coefficients = torch.rand(3, steps, generator=generator, dtype=torch.float64)
    gauges = {name: torch.rand(steps, generator=generator, dtype=torch.float64) for name in GAUGES}
    gauges["x0"] = coefficients[0]  # the same tensor as P
    gauges["eps"][0] = torch.inf
    return Trajectories(
        states=torch.randn(count, steps + 1, c, h, w, generator=generator),
        denoised=torch.randn(count, steps, c, h, w, generator=generator),
        timesteps=torch.arange(steps, -1, -1),
        alpha_bar=torch.linspace(0, 1, steps + 1, dtype=torch.float64),
        scale=torch.linspace(1, 2, steps + 1, dtype=torch.float64),
        state_coefficient=coefficients[0],
        denoised_coefficient=coefficients[1],
        noise_std=coefficients[2],
        gauges=gauges,
        one_step=draw(st.booleans()),
        info={"model": "any", "seed": draw(st.integers(0, 2**64 - 1)), "clip": draw(st.booleans())},
    )


@settings(max_examples=30)
@given(recordings(), st.integers(1, 4000))
def test_what_is_written_is_read_back_bit_for_bit(recording: Trajectories, shard_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_store(store, recording, shard_bytes=shard_bytes)
        assert_same(read_store(store), recording)


@given(
    count=st.integers(1, 100),
    time=st.integers(2, 9),
    d=st.integers(1, 9),
    itemsize=st.sampled_from([2, 4]),
    batch=st.integers(1, 20),
    shard_bytes=st.integers(1, 5000),
)
def test_shards_hold_every_trajectory_once_and_keep_to_their_size(count, time, d, itemsize, batch, shard_bytes) -> None:
    ranges = shard_ranges((count, time, 1, 1, d), itemsize, batch, shard_bytes)
    assert [i for rows in ranges for i in rows] == list(range(count))
    each = itemsize * (time + time - 1) * d
    assert all(len(rows) == 1 or len(rows) * each <= shard_bytes for rows in ranges)


@given(count=st.integers(1, 100), batch=st.integers(1, 20), shard_bytes=st.integers(1, 5000))
def test_a_shard_holds_whole_batches_or_is_a_part_of_one(count, batch, shard_bytes) -> None:
    for rows in shard_ranges((count, 3, 1, 1, 5), 4, batch, shard_bytes):
        whole = rows.start % batch == 0 and (rows.stop % batch == 0 or rows.stop == count)
        assert whole or rows.start // batch == (rows.stop - 1) // batch


def test_a_part_of_a_recording_can_be_kept(recording: Trajectories, tmp_path: Path) -> None:
    part = recording.select(torch.tensor([4, 0]))
    write_store(tmp_path / "store", part)
    assert_same(read_store(tmp_path / "store"), part)


def test_the_translations_are_not_stored(recording: Trajectories, tmp_path: Path) -> None:
    write_store(tmp_path / "store", recording)
    numbers = recording.states.numel() + recording.denoised.numel()
    (shard,) = read_manifest(tmp_path / "store")["shards"]
    assert 0 <= shard["bytes"] - 4 * numbers < 1000


def test_the_manifest_describes_every_other_file(recording: Trajectories, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_store(store, recording, shard_bytes=1)
    manifest = read_manifest(store)
    files = [manifest["steps"], *manifest["shards"]]
    assert {file["name"] for file in files} | {"manifest.json"} == {path.name for path in store.iterdir()}
    assert len(manifest["shards"]) == len(recording)
    for file in files:
        assert hashlib.sha256((store / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_store_is_as_readable_by_others_as_the_directory_is(recording: Trajectories, tmp_path: Path) -> None:
    write_store(tmp_path / "store", recording)
    readable = (tmp_path / "store").stat().st_mode & 0o444
    assert {path.stat().st_mode & 0o444 for path in (tmp_path / "store").iterdir()} == {readable}


@settings(max_examples=60)
@given(
    name=st.sampled_from(["manifest.json", "steps.safetensors", "00000.safetensors", "00001.safetensors"]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_never_passes_for_data(recording: Trajectories, name: str, place: float, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_store(store, recording, shard_bytes=3000)
        content = bytearray((store / name).read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        (store / name).write_bytes(content)
        if name == "manifest.json" and _still_says_the_same(store, content):  # whitespace, or an escape sequence
            assert_same(read_store(store), recording)
        else:
            with pytest.raises(StoreError):
                read_store(store)


def _still_says_the_same(store: Path, content: bytearray) -> bool:
    try:
        document = json.loads(content)
    except ValueError:
        return False
    checksum = document.pop("checksum", None)
    return bool(hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest() == checksum)


@settings(max_examples=30)
@given(
    name=st.sampled_from(["manifest.json", "steps.safetensors", "00000.safetensors", "00001.safetensors"]),
    kept=st.floats(0, 1, exclude_max=True),
)
def test_a_truncated_file_is_refused(recording: Trajectories, name: str, kept: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_store(store, recording, shard_bytes=3000)
        content = (store / name).read_bytes().rstrip()
        (store / name).write_bytes(content[: int(kept * len(content))])
        with pytest.raises(StoreError, match=name) as caught:
            read_store(store)
        assert "record again" in caught.value.hint


@pytest.mark.parametrize("name", ["steps.safetensors", "00000.safetensors", "00001.safetensors"])
def test_a_missing_file_is_named(recording: Trajectories, tmp_path: Path, name: str) -> None:
    write_store(tmp_path / "store", recording, shard_bytes=3000)
    (tmp_path / "store" / name).unlink()
    with pytest.raises(StoreError, match=f"{name} is missing"):
        read_store(tmp_path / "store")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None], ids=["empty", "a file", "absent"])
def test_what_is_not_a_store_is_refused(tmp_path: Path, make) -> None:
    make(tmp_path / "store")
    with pytest.raises(StoreError, match="is not a trajectory store") as caught:
        read_store(tmp_path / "store")
    assert "symdiff record" in caught.value.hint


def test_another_schema_is_refused_by_name(recording: Trajectories, tmp_path: Path) -> None:
    write_store(tmp_path / "store", recording)
    manifest = tmp_path / "store" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("symdiff.trajectories/3", "symdiff.trajectories/1"))
    with pytest.raises(StoreError, match=r"has schema 'symdiff.trajectories/1', this version reads"):
        read_store(tmp_path / "store")


def test_a_manifest_edited_by_hand_is_refused(recording: Trajectories, tmp_path: Path) -> None:
    write_store(tmp_path / "store", recording)
    manifest = tmp_path / "store" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 3', '"seed": 4'))
    with pytest.raises(StoreError, match="altered"):
        read_store(tmp_path / "store")
