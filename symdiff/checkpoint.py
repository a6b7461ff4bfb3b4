"""What an unfinished training leaves on disk, so that the same command goes on from there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from symdiff.trajectories.appearing import disk_errors

log = logging.getLogger(__name__)


class Checkpoint:
    """The state of the training stages of one run, one file each; ``None`` as directory keeps nothing.

    Parameters
    ----------
    directory
        The run directory.
    prefix
        Set before the stages' names, to keep several trainings of one run apart.
    """

    def __init__(self, directory: Path | None, prefix: str = "") -> None:
        self.directory = directory
        self.prefix = prefix

    def load(self, stage: str) -> dict[str, Any] | None:
        """The state saved for `stage`, or ``None``; an unreadable file counts as none."""
        if self.directory is None or not self._file(stage).exists():
            return None
        try:
            state = torch.load(self._file(stage), weights_only=True, map_location="cpu")
        except Exception as error:  # torch raises whatever half a file makes it stumble over
            log.warning("%s cannot be read, stage %s starts anew: %s", self._file(stage), stage, error)
            return None
        return state if isinstance(state, dict) else None

    def save(self, stage: str, state: dict[str, Any]) -> None:
        """Replace the state of `stage`, complete or not at all.

        Raises
        ------
        DiskError
            It cannot be written.
        """
        if self.directory is None:
            return
        file = self._file(stage)
        temporary = file.with_name(f".{file.name}.tmp")
        with disk_errors(file):
            try:
                torch.save(state, temporary)
                temporary.replace(file)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def _file(self, stage: str) -> Path:
        return (self.directory or Path()) / f"checkpoint-{self.prefix}{stage}.pt"
