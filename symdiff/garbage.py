"""Modules are no garbage: they are not looked through as they are imported, nor later on.

torch brings half a million objects, nearly all of which stay. Python's collector goes through them again and again
while they become more, and several times when the process ends: together most of a second.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import many modules: nothing is collected meanwhile, and what is there after the first time never will be.

    Not for code of a user's: a file that is left open in one of their modules is written out when it is collected.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        if collecting:
            gc.enable()
