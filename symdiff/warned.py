"""Keeping what is warned of on the way, so that a result can repeat it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def warnings_kept() -> Iterator[Callable[[], list[str]]]:
    """Give what returns the messages so far, each once; they are shown all the same."""
    messages: list[str] = []
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category in (UserWarning, RuntimeWarning):
            messages.append(" ".join(str(message).split()))
        shown(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        yield lambda: list(dict.fromkeys(messages))
    finally:
        warnings.showwarning = shown
