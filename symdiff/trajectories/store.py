"""Recorded trajectories on disk: safetensors shards and a manifest with their checksums.

A store is a directory::

    manifest.json        schema, info, and name, size and sha256 of every other file
    steps.safetensors    what all trajectories share: timesteps, alpha_bar, coefficients, gauges
    00000.safetensors    states [k, time, C, H, W] and denoised [k, steps, C, H, W] of the first k trajectories
    00001.safetensors    ... of the next ones

The translations ``v_t = x_{t-1} - a_t x_t`` follow from the states and are not stored. The manifest is written last: a
directory without one is no recording, whatever else it holds.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from symdiff.errors import StoreError
from symdiff.trajectories.appearing import appearing, disk_errors
from symdiff.trajectories.data import Trajectories
from symdiff.trajectories.memory import memory_budget, size_in_memory
from symdiff.trajectories.shards import SHARD_BYTES, ShardFile, shard_ranges
from symdiff.trajectories.stored import Pages, StoredTensor, in_memory

SCHEMA = "symdiff.trajectories/3"

MANIFEST = "manifest.json"

AGAIN = "delete the directory and record again: symdiff record MODEL --out DIR"


def write_store(directory: str | Path, trajectories: Trajectories, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a recording to `directory`, which appears complete or not at all.

    Parameters
    ----------
    directory
        Must not exist yet, or be empty.
    trajectories
        The recording; its `info` has to be JSON data.
    shard_bytes
        Upper size of a shard.

    Raises
    ------
    OutputError
        The directory holds something already.
    DiskError
        Disk full, read-only, no permission; nothing is left behind.
    """
    time, *shape = trajectories.states.shape[1:]
    with appearing(Path(directory)) as temporary:
        shards = []
        for i, rows in enumerate(shard_ranges(tuple(trajectories.states.shape), shard_bytes=shard_bytes)):
            shard = ShardFile(temporary / shard_name(i), rows, time, (shape[0], shape[1], shape[2]), torch.float32)
            try:
                part = in_memory(trajectories.select(slice(rows.start, rows.stop)))
                shard.write(rows.start, 0, part.states.contiguous(), part.denoised.contiguous())
                shards.append(shard.finish())
            except BaseException:
                shard.abandon()
                raise
        write_manifest(temporary, trajectories, shards, "fp32")


def shard_name(i: int) -> str:
    """The file of shard i."""
    return f"{i:05d}.safetensors"


def write_manifest(
    directory: Path, recording: Trajectories, shards: list[dict[str, Any]], dtype: str, key: str | None = None
) -> None:
    """Complete a store whose shards are there.

    Parameters
    ----------
    directory
        Of the store.
    recording
        Any part of the recording: what its trajectories share is taken from it.
    shards
        What `ShardFile.finish` said of each.
    dtype
        Number format of the states, by name.
    key
        The name of the content, if it has one.

    Raises
    ------
    DiskError
        It cannot be written.
    """
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "key": key,
        "trajectories": sum(shard["trajectories"] for shard in shards),
        "observation_shape": list(recording.observation_shape),
        "dtype": dtype,
        "one_step": recording.one_step,
        "info": recording.info,
        "steps": _save_steps(directory / "steps.safetensors", recording),
        "shards": shards,
    }
    manifest["checksum"] = _manifest_checksum(manifest)
    replace_document(directory / MANIFEST, manifest)


def replace_document(file: Path, document: dict[str, Any]) -> None:
    """Write a JSON document through to the disk, complete or not at all.

    Raises
    ------
    DiskError
        It cannot be written.
    """
    temporary = file.with_name(f".{file.name}.tmp")
    with disk_errors(file):
        try:
            with temporary.open("w", encoding="utf-8") as stream:
                stream.write(json.dumps(document, indent=2) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def is_recording(path: str | Path) -> bool:
    """Whether `path` is meant to be a recording: a directory with a manifest, readable or not."""
    return (Path(path).expanduser() / MANIFEST).exists()


def read_manifest(directory: str | Path) -> dict[str, Any]:
    """The manifest of a store; quick, because only this file is read and checked.

    Raises
    ------
    StoreError
        There is none, it is unreadable or altered, or it has another schema.
    """
    file = Path(directory).expanduser() / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"{directory} is not a trajectory store: it has no manifest.json",
            "give a directory that `symdiff record MODEL --out DIR` wrote",
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        raise StoreError(f"{file} has schema {found!r}, this version reads {SCHEMA!r}", AGAIN)
    if manifest.get("checksum") != _manifest_checksum(manifest):
        raise StoreError(f"{file} was altered after it was written: it fails its checksum", AGAIN)
    return dict(manifest)


def read_store(directory: str | Path) -> Trajectories:
    """Read a recording into memory, as float32, and verify every checksum.

    Parameters
    ----------
    directory
        What `write_store` or ``symdiff record`` wrote.

    Raises
    ------
    StoreError
        A file is missing, unreadable, truncated or fails its checksum, or the store has another schema.
    """
    return in_memory(open_store(directory))


def open_store(directory: str | Path, *, verify: bool = True) -> Trajectories:
    """A recording whose states stay on disk until they are asked for, and are float32 then; see `StoredTensor`.

    Parameters
    ----------
    directory
        What `write_store` or ``symdiff record`` wrote.
    verify
        Verify every checksum first, which reads every file once; otherwise only their headers are read.

    Raises
    ------
    StoreError
        As `read_store`.
    """
    root = Path(directory).expanduser()
    manifest = read_manifest(root)
    verify_file(root, manifest["steps"])
    shared = _load_steps(root / manifest["steps"]["name"])
    parts: dict[str, list[Tensor]] = {"states": [], "denoised": []}
    for entry in manifest["shards"]:
        if verify:
            verify_file(root, entry)
        for name, tensor in _mapped(root / entry["name"]).items():
            parts[name].append(tensor)
    return Trajectories(
        states=StoredTensor(Pages.of(parts["states"])),
        denoised=StoredTensor(Pages.of(parts["denoised"])),
        gauges={name.removeprefix("gauge."): shared.pop(name) for name in list(shared) if name.startswith("gauge.")},
        one_step=manifest["one_step"],
        info=manifest["info"],
        **shared,
    )


def load_store(directory: str | Path, memory: int | None = None) -> Trajectories:
    """A recording in memory if it fits there, on disk otherwise.

    Parameters
    ----------
    directory
        What `write_store` or ``symdiff record`` wrote.
    memory
        Bytes it may take up as float32; a quarter of the machine's memory if ``None``.

    Raises
    ------
    StoreError
        As `read_store`.
    """
    opened = open_store(directory)
    return opened if size_in_memory(opened) > (memory_budget() if memory is None else memory) else in_memory(opened)


def verify_file(root: Path, entry: dict[str, Any]) -> None:
    """Check a file of a store against what is said of it, without holding it in memory.

    Raises
    ------
    StoreError
        It is missing, unreadable, or its size or checksum differs.
    """
    file = root / entry["name"]
    try:
        size = file.stat().st_size
        if size != entry["bytes"]:
            raise StoreError(f"{file} has {size} bytes where the manifest says {entry['bytes']}", AGAIN)
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise StoreError(f"{file} is missing", AGAIN) from None
    except OSError as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error
    if checksum != entry["sha256"]:
        raise StoreError(
            f"{file} fails its checksum: sha256 {checksum[:12]}…, the manifest says {entry['sha256'][:12]}…", AGAIN
        )


def _save_steps(file: Path, recording: Trajectories) -> dict[str, Any]:
    """Write what is the same for every trajectory; cloned, as safetensors refuses tensors that share memory."""
    tensors = {
        "timesteps": recording.timesteps,
        "alpha_bar": recording.alpha_bar,
        "scale": recording.scale,
        "state_coefficient": recording.state_coefficient,
        "denoised_coefficient": recording.denoised_coefficient,
        "noise_std": recording.noise_std,
        **{f"gauge.{name}": a for name, a in recording.gauges.items()},
    }
    with disk_errors(file):
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, file)
        file.chmod(file.parent.stat().st_mode & 0o666)  # safetensors leaves it to its owner alone
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"name": file.name, "bytes": file.stat().st_size, "sha256": checksum}


def _load_steps(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error


def _mapped(file: Path) -> dict[str, Tensor]:
    """The states and estimates of a shard, mapped into memory: read when they are used."""
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in ("states", "denoised")}
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error


def _manifest_checksum(manifest: dict[str, Any]) -> str:
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
