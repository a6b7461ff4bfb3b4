"""Recorded trajectories on disk: safetensors shards and a manifest with their checksums.

A store is a directory::

    manifest.json        schema, info, and name, size and sha256 of every other file
    steps.safetensors    what all trajectories share: timesteps, alpha_bar, coefficients, gauges
    00000.safetensors    states [k, time, C, H, W] and denoised [k, steps, C, H, W] of the first k trajectories
    00001.safetensors    ... of the next ones

The translations ``v_t = x_{t-1} - a_t x_t`` follow from the states and are not stored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from symdiff.errors import DiskError, StoreError
from symdiff.trajectories.appearing import appearing, disk_errors
from symdiff.trajectories.data import Trajectories

SCHEMA = "symdiff.trajectories/2"

SHARD_BYTES = 256 * 2**20
"""Upper size of a shard; a trajectory larger than that is a shard of its own."""

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
    ranges = shard_ranges(tuple(trajectories.states.shape), shard_bytes)
    write_parts(Path(directory), (trajectories.select(slice(a, b)) for a, b in ranges))


def shard_ranges(states_shape: tuple[int, ...], shard_bytes: int = SHARD_BYTES) -> list[tuple[int, int]]:
    """Ranges of trajectories that make one shard each, for states of shape ``[traj, time, C, H, W]``."""
    trajectories, time, c, h, w = states_shape
    bytes_each = 4 * (2 * time - 1) * c * h * w
    size = max(1, shard_bytes // bytes_each)
    return list(pairwise([*range(0, trajectories, size), trajectories]))


def write_parts(directory: Path, parts: Iterable[Trajectories], key: str | None = None) -> None:
    """Write a recording that arrives in parts, one shard a part; otherwise as `write_store`.

    `parts` yields at least one, all with the same steps. `key` names the content, if it has a name.
    """
    with appearing(directory) as temporary:
        shards: list[dict[str, Any]] = []
        count = 0
        for part in parts:
            tensors = {"states": part.states.contiguous(), "denoised": part.denoised.contiguous()}
            entry = _save(temporary / f"{len(shards):05d}.safetensors", tensors)
            shards.append({**entry, "first": count, "trajectories": len(part)})
            count += len(part)
        manifest = {
            "schema": SCHEMA,
            "key": key,
            "trajectories": count,
            "observation_shape": list(part.observation_shape),
            "one_step": part.one_step,
            "info": part.info,
            "steps": _save(temporary / "steps.safetensors", _shared(part)),
            "shards": shards,
        }
        manifest["checksum"] = _manifest_checksum(manifest)
        with disk_errors(directory):
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def is_recording(path: str | Path) -> bool:
    """Whether `path` is meant to be a recording: a directory with a manifest, readable or not."""
    return (Path(path).expanduser() / "manifest.json").exists()


def read_manifest(directory: str | Path) -> dict[str, Any]:
    """The manifest of a store; quick, because only this file is read and checked.

    Raises
    ------
    StoreError
        There is none, it is unreadable or altered, or it has another schema.
    """
    file = Path(directory).expanduser() / "manifest.json"
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
    """Read a recording into memory and verify every checksum.

    Parameters
    ----------
    directory
        What `write_store` or ``symdiff record`` wrote.

    Raises
    ------
    StoreError
        A file is missing, unreadable, truncated or fails its checksum, or the store has another schema.
    """
    root = Path(directory)
    manifest = read_manifest(root)
    shared = _load(root, manifest["steps"])
    count, time, shape = manifest["trajectories"], len(shared["timesteps"]), manifest["observation_shape"]
    states = torch.empty(count, time, *shape)
    denoised = torch.empty(count, time - 1, *shape)
    for entry in manifest["shards"]:
        shard = _load(root, entry)
        part = slice(entry["first"], entry["first"] + entry["trajectories"])
        states[part], denoised[part] = shard["states"], shard["denoised"]
    return Trajectories(
        states=states,
        denoised=denoised,
        gauges={name.removeprefix("gauge."): shared.pop(name) for name in list(shared) if name.startswith("gauge.")},
        one_step=manifest["one_step"],
        info=manifest["info"],
        **shared,
    )


def _shared(part: Trajectories) -> dict[str, Tensor]:
    """What is the same for every trajectory; cloned, as safetensors refuses tensors that share memory."""
    tensors = {
        "timesteps": part.timesteps,
        "alpha_bar": part.alpha_bar,
        "scale": part.scale,
        "state_coefficient": part.state_coefficient,
        "denoised_coefficient": part.denoised_coefficient,
        "noise_std": part.noise_std,
        **{f"gauge.{name}": a for name, a in part.gauges.items()},
    }
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _save(file: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Write one file through to the disk and describe it."""
    with disk_errors(file):
        try:
            save_file(tensors, file)
        except SafetensorError as error:
            raise DiskError(
                f"cannot write {file}: {error}", "free some room, or choose another place with --out or SYMDIFF_CACHE"
            ) from error
        file.chmod(file.parent.stat().st_mode & 0o666)  # safetensors leaves it to its owner alone
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"name": file.name, "bytes": file.stat().st_size, "sha256": checksum}


def _load(root: Path, entry: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of one file of a store, its size and checksum verified first."""
    file = root / entry["name"]
    try:
        size = file.stat().st_size
        if size != entry["bytes"]:
            raise StoreError(f"{file} has {size} bytes where the manifest says {entry['bytes']}", AGAIN)
        with file.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        if checksum != entry["sha256"]:
            raise StoreError(
                f"{file} fails its checksum: sha256 {checksum[:12]}…, the manifest says {entry['sha256'][:12]}…", AGAIN
            )
        return load_file(file)
    except FileNotFoundError:
        raise StoreError(f"{file} is missing", AGAIN) from None
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file} is unreadable: {error}", AGAIN) from error


def _manifest_checksum(manifest: dict[str, Any]) -> str:
    content = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
