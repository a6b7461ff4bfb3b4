"""How much is told on stderr; the log file of a run is told everything from INFO on whatever the flags."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any


class _Plain(logging.Formatter):
    """``warning: text``, without the time and place that belong into a log file."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno == logging.INFO else f"{record.levelname.lower()}: {text}"


def start_logging() -> None:
    """Send warnings of symdiff and of Python to stderr, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(message)s"))
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("symdiff")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    if not sys.warnoptions:
        warnings.showwarning = _show


def set_level(level: int) -> None:
    """Show messages from `level` on."""
    logger = logging.getLogger("symdiff")
    logger.setLevel(min(level, logging.INFO))
    for handler in logger.handlers:
        handler.setLevel(level)


def is_quiet() -> bool:
    """Return whether not even warnings are shown."""
    return all(handler.level > logging.WARNING for handler in logging.getLogger("symdiff").handlers)


def _show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
    """Show a Python warning as a message of ours, without the line of code it comes from."""
    # What libraries tell developers is not meant for the user; -v shows it.
    level = logging.WARNING if category in (UserWarning, RuntimeWarning) else logging.INFO
    logging.getLogger("symdiff").log(level, "%s", " ".join(str(message).split()))
