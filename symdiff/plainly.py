"""Whether fast forms are left aside: networks then go layer by layer and blocks through `torch.matrix_exp`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_plainly: ContextVar[bool] = ContextVar("plainly", default=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Within it, everything is computed as it is written down: what the fast forms are compared with."""
    token = _plainly.set(True)
    try:
        yield
    finally:
        _plainly.reset(token)


def is_plain() -> bool:
    """Whether this is within `plainly`."""
    return _plainly.get()
