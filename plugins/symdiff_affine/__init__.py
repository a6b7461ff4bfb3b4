"""The affine group: every reverse step ``x' = a x + v`` is one of its elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff import hookimpl

if TYPE_CHECKING:
    from symdiff.groups import GroupFamily

PLUGIN_API = 1


@hookimpl
def symdiff_group_families() -> list[type[GroupFamily]]:
    """The affine family."""
    from symdiff_affine.family import AffineFamily

    return [AffineFamily]
