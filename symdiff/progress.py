"""How long-running work reports where it is, without knowing who watches."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """What `analyze` tells while it works; the command line draws it, a notebook may ignore it."""

    def phase(self, name: str) -> None:
        """A phase begins: ``record``, ``train``, ``diagnose``, ``process``, ``decompose``, ``report``."""

    def update(self, done: int, total: int, **figures: float) -> None:
        """`done` of `total` steps of the phase are finished; `figures` are shown beside, such as the loss."""


class Silent:
    """A `Progress` that nobody watches."""

    def phase(self, name: str) -> None:
        """Do nothing."""

    def update(self, done: int, total: int, **figures: float) -> None:
        """Do nothing."""
