"""Whatever ends a recording, the same call goes on from the shards that are finished, to the same bytes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from symdiff.diffusion import DDPM
from symdiff.errors import DiskError, InterruptedRunError, OutputError, StoreError
from symdiff.trajectories import is_recording, read_manifest, read_store, record, record_store, refuse_unfinished
from symdiff.trajectories.ongoing import read_ongoing

SETTINGS = {"steps": 4, "trajectories": 7, "seed": 5, "device": "cpu", "batch_size": 2}
SHARDS = 4  # one a batch, see `small_shards`


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symdiff.trajectories.ongoing.SHARD_BYTES", 2 * 4 * 16 * (5 + 4))


@pytest.fixture(scope="module")
def half(scripted):
    return scripted(lambda x, t: x / 2)


def content(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


@pytest.fixture
def whole(half, tmp_path: Path) -> dict[str, bytes]:
    """The files of a recording that nothing interrupted."""
    record_store(tmp_path / "whole", half, DDPM(), **SETTINGS)
    return content(tmp_path / "whole")


def finished(store: Path) -> list[str]:
    found = read_ongoing(store)
    return [entry["name"] for entry in found["finished"]] if found else []


KILLED = """
import os, signal, sys
from pathlib import Path
from symdiff.diffusion import DDPM, Denoiser, Schedule
from symdiff.trajectories import ongoing, record_store

class Half(Denoiser):
    def denoise(self, x, t):
        return x / 2

def killed_before(name, count):
    call, calls = getattr(os, name), []
    def stand_in(*arguments):
        calls.append(arguments)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)
    setattr(os, name, stand_in)

ongoing.SHARD_BYTES = int(sys.argv[2])
for name in ("posix_fallocate", "pwrite", "fsync", "rename", "unlink"):
    count = 0
    while True:
        count += 1
        process = os.fork()
        if not process:
            killed_before(name, count)
            model = Half("scripted", (1, 4, 4), Schedule.linear(), "scripted")
            store = Path(sys.argv[1], f"{name}-{count}")
            record_store(store, model, DDPM(), 4, 7, 5, "cpu", batch_size=2)
            os._exit(0)
        if os.waitpid(process, 0)[1] != signal.SIGKILL:
            break  # there is no such call any more: the recording was finished
"""


def test_killed_at_any_moment_it_goes_on_to_the_same_files_and_loses_no_finished_shard(half, whole, tmp_path: Path):
    (tmp_path / "killed").mkdir()
    script = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(2 * 4 * 16 * (5 + 4))]
    subprocess.run(script, check=True, timeout=300)
    stores = list((tmp_path / "killed").iterdir())
    assert {path.name.split("-")[0] for path in stores} == {"posix_fallocate", "pwrite", "fsync", "rename", "unlink"}
    were_finished = set()
    for store in stores:
        done = is_recording(store)  # killed when the manifest was there already, or not at all
        names = finished(store)
        were_finished.add(len(names))
        before = {name: (store / name).stat().st_mtime_ns for name in names}
        found: list[str] = []
        record_store(store, half, DDPM(), **SETTINGS, on_resume=found.append)
        assert found == ([f"{len(names)} of {SHARDS} shards are there"] if names and not done else [])
        assert content(store) == whole
        assert {name: (store / name).stat().st_mtime_ns for name in names} == before
    assert were_finished == set(range(SHARDS + 1))


def full_from(monkeypatch: pytest.MonkeyPatch, call: str, count: int) -> None:
    """The disk is full from the count-th call on."""
    original: Callable[..., object] = getattr(os, call)
    calls: list[object] = []

    def refuse(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) >= count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments)

    monkeypatch.setattr(os, call, refuse)


@pytest.mark.parametrize(("call", "count"), [("posix_fallocate", 3), ("pwrite", 8), ("fsync", 6)])
def test_a_full_disk_keeps_what_is_finished_and_says_how_to_go_on(half, whole, tmp_path, monkeypatch, call, count):
    store = tmp_path / "store"
    with monkeypatch.context() as patched:
        full_from(patched, call, count)
        with pytest.raises(DiskError, match=r"No space left on device; 2 of 4 shards are there") as caught:
            record_store(store, half, DDPM(), **SETTINGS)
    assert "free some room" in caught.value.hint
    assert "the same command goes on from there" in caught.value.hint
    assert sorted(content(store)) == ["00000.safetensors", "00001.safetensors", "recording.json"]
    assert not is_recording(store)
    record_store(store, half, DDPM(), **SETTINGS)
    assert content(store) == whole


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync", "rename"])
def test_a_disk_that_was_full_from_the_beginning_holds_nothing(half, tmp_path: Path, monkeypatch, call) -> None:
    full_from(monkeypatch, call, 1)
    with pytest.raises(DiskError, match="No space left") as caught:
        record_store(tmp_path / "a" / "store", half, DDPM(), **SETTINGS)
    monkeypatch.undo()
    assert "begins anew" in caught.value.hint or "free some room" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_keeps_what_is_finished(scripted, half, whole, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(x, t):
        asked.append(t)
        if len(asked) == 11:  # in the third batch of four steps
            raise KeyboardInterrupt
        return x / 2

    with pytest.raises(InterruptedRunError, match="interrupted; 2 of 4 shards are there") as caught:
        record_store(tmp_path / "store", scripted(answer), DDPM(), **SETTINGS)
    assert (caught.value.exit_code, caught.value.hint) == (130, "the same command goes on from there")
    record_store(tmp_path / "store", half, DDPM(), **SETTINGS)
    assert content(tmp_path / "store") == whole


@pytest.fixture
def unfinished(scripted, tmp_path: Path) -> Path:
    """A recording with two of four shards."""

    def answer(x, t):
        asked.append(t)
        if len(asked) > 2 * 4:
            raise KeyboardInterrupt
        return x / 2

    asked: list[int] = []
    with pytest.raises(InterruptedRunError):
        record_store(tmp_path / "store", scripted(answer), DDPM(), **SETTINGS, command="symdiff record it")
    return tmp_path / "store"


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_finished_shard_that_was_damaged_meanwhile_is_recorded_again(half, whole, unfinished: Path, damage) -> None:
    shard = unfinished / "00000.safetensors"
    good = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(good[:-10] if damage == "truncated" else good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.warns(RuntimeWarning, match=r"recording again what is damaged: .*00000.safetensors"):
        record_store(unfinished, half, DDPM(), **SETTINGS)
    assert content(unfinished) == whole


def test_another_batch_size_goes_on_with_the_shards_there_are(half, unfinished: Path) -> None:
    record_store(unfinished, half, DDPM(), **{**SETTINGS, "batch_size": 3})
    assert [shard["trajectories"] for shard in read_manifest(unfinished)["shards"]] == [2, 2, 2, 1]
    plain = record(half, DDPM(), **SETTINGS)
    assert torch.equal(read_store(unfinished).states, plain.states)


def test_another_recording_does_not_go_on_there(half, unfinished: Path) -> None:
    before = content(unfinished)
    with pytest.raises(OutputError, match="already holds something: another recording, not finished"):
        record_store(unfinished, half, DDPM(), **{**SETTINGS, "seed": 6})
    assert content(unfinished) == before


def test_an_unfinished_recording_is_none_and_says_how_to_finish_it(half, unfinished: Path, tmp_path: Path) -> None:
    assert not is_recording(unfinished)
    with pytest.raises(StoreError, match="is not a trajectory store"):
        read_store(unfinished)
    with pytest.raises(StoreError, match="not finished: 2 of 4 shards are there") as caught:
        refuse_unfinished(unfinished)
    assert caught.value.hint == "to finish it: symdiff record it"
    record_store(unfinished, half, DDPM(), **SETTINGS)
    refuse_unfinished(unfinished)
    refuse_unfinished(tmp_path / "nothing")
    refuse_unfinished("digits")


@pytest.mark.parametrize(("text", "message"), [("{", "unreadable"), ('{"schema": "other/9"}', "has schema 'other/9'")])
def test_notes_that_cannot_be_read_are_left_to_their_owner(half, unfinished: Path, text: str, message: str) -> None:
    (unfinished / "recording.json").write_text(text)
    with pytest.raises(StoreError, match=message) as caught:
        record_store(unfinished, half, DDPM(), **SETTINGS)
    assert "delete the directory" in caught.value.hint
    assert (unfinished / "00001.safetensors").exists()


def test_a_second_writer_is_refused_while_the_first_one_lives(half, unfinished: Path, whole) -> None:
    lock = os.open(unfinished, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(OutputError, match="another process is recording into"):
        record_store(unfinished, half, DDPM(), **SETTINGS)
    os.close(lock)
    record_store(unfinished, half, DDPM(), **SETTINGS)
    assert content(unfinished) == whole


def test_a_process_killed_while_it_holds_the_directory_releases_it(half, unfinished: Path, whole) -> None:
    script = "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)"
    script += "; print('held', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", script, str(unfinished)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
    record_store(unfinished, half, DDPM(), **SETTINGS)
    assert content(unfinished) == whole
