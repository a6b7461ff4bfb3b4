"""Keeping what is warned of on the way, so that a result can repeat it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def warnings_kept() -> Iterator[Callable[[], list[str]]]:
    """Give what returns the messages so far, each once; they are shown all the same.

    Those of other threads come last: when they were said is a matter of chance.
    """
    messages: list[str] = []
    of_others: list[str] = []
    own = threading.get_ident()
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category in (UserWarning, RuntimeWarning):
            (messages if threading.get_ident() == own else of_others).append(" ".join(str(message).split()))
        shown(message, category, *rest, **more)

    warnings.showwarning = show
    try:
        yield lambda: list(dict.fromkeys([*messages, *of_others]))
    finally:
        warnings.showwarning = shown
