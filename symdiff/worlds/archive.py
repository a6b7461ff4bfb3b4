"""A world on disk: one .npz with the arrays `observations`, `actions`, `factors` and the string `meta`."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from symdiff.errors import DiskError
from symdiff.worlds.base import Episodes


def save_world(episodes: Episodes, path: Path) -> None:
    """Write `episodes` to a temporary name beside `path`, then rename; equal episodes give equal bytes.

    Raises
    ------
    DiskError
        The file could not be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        observations=episodes.observations,
        actions=episodes.actions,
        factors=episodes.factors,
        meta=np.array(json.dumps(episodes.meta, sort_keys=True)),
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise DiskError(f"{path} could not be written: {error}", "free some room or choose another folder") from error
