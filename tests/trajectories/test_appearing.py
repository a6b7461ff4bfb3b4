from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

import symdiff
from symdiff.errors import DiskError, OutputError, StoreError
from symdiff.trajectories import Trajectories, read_store, write_store
from symdiff.trajectories.appearing import UNCLAIMED_SECONDS, appearing, discard, disk_errors, remove_leftovers


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """As on a full disk, every write beyond `n_bytes` fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs `script`."""
    root = Path(symdiff.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_directory_appears_with_all_its_files(tmp_path: Path) -> None:
    with appearing(tmp_path / "a" / "b") as temporary:
        (temporary / "data").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["data"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_directory_may_be_there_already(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with appearing(tmp_path / "out") as temporary:
        (temporary / "data").touch()
    assert (tmp_path / "out" / "data").exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_appears_when_writing_fails(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with appearing(tmp_path / "out") as temporary:
            (temporary / "data").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_made_by_somebody_else_meanwhile_is_kept(tmp_path: Path) -> None:
    def be_late() -> None:
        with appearing(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "theirs").touch()

    with pytest.raises(OutputError, match="in the meantime"):
        be_late()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_the_leftover_of_a_process_killed_before_it_had_its_lock_goes_after_an_hour(tmp_path: Path) -> None:
    leftover = tmp_path / ".symdiff-out-01234567.tmp"
    leftover.mkdir()
    remove_leftovers(tmp_path)
    assert leftover.exists()
    an_hour_ago = leftover.stat().st_mtime - UNCLAIMED_SECONDS - 1
    os.utime(leftover, (an_hour_ago, an_hour_ago))
    remove_leftovers(tmp_path)
    assert not leftover.exists()


def test_a_discarded_directory_is_gone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "data").touch()
    discard(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 300, 3000])
def test_a_full_disk_is_a_disk_error_and_leaves_nothing(recording: Trajectories, tmp_path: Path, room: int) -> None:
    with files_of_at_most(room), pytest.raises(DiskError, match="cannot write") as caught:
        write_store(tmp_path / "store", recording)
    assert "free some room" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["os.mkdir", "os.fsync", "os.rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_refusal_of_the_system_at_any_moment_is_a_disk_error(
    recording: Trajectories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(call, refuse)
    with pytest.raises(DiskError, match=os.strerror(number)):
        write_store(tmp_path / "store", recording)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys, time
from pathlib import Path
from symdiff.trajectories import read_store, write_store

rename, renamed = os.rename, []

def stop_at_the_fourth(*paths):
    if len(renamed) == 3:  # that of the lock, and of two shards
        print("two shards written", flush=True)
        time.sleep(600)
    rename(*paths)
    renamed.append(paths)

os.rename = stop_at_the_fourth
write_store(sys.argv[2], read_store(sys.argv[1]), shard_bytes=1)
"""


def test_kill_9_in_the_middle_of_writing_leaves_nothing_that_reads_as_a_store(
    recording: Trajectories, tmp_path: Path
) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    write_store(source, recording)
    with python(KILLED, source, folder / "store") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "two shards written\n"
        (leftover,) = folder.iterdir()
        assert len(list(leftover.glob("0*.safetensors"))) == 2
        write_store(folder / "other", recording)  # does not mistake work in progress for a leftover
        assert leftover.exists()
        process.send_signal(signal.SIGKILL)
    with pytest.raises(StoreError):
        read_store(folder / "store")
    with pytest.raises(StoreError):
        read_store(leftover)
    write_store(folder / "store", recording)
    assert sorted(path.name for path in folder.iterdir()) == ["other", "store"]
    assert len(read_store(folder / "store")) == len(recording)


@pytest.mark.parametrize("save", [torch.save, lambda state, file: save_file(state, file)])
def test_a_full_disk_has_its_name_whichever_library_meets_it(tmp_path: Path, save: Callable[..., None]) -> None:
    code = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(DiskError, match="cannot write"), files_of_at_most(5000), disk_errors(tmp_path / "x"):
            save({"weights": torch.zeros(10_000)}, tmp_path / "x")
    finally:
        signal.signal(signal.SIGXFSZ, code)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), SafetensorError("InvalidHeader")])
def test_other_errors_of_libraries_keep_their_name(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), disk_errors(tmp_path):
        raise error
