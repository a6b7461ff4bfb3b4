"""Observed actions: rho is learned from sequences of observations and the actions between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff import hookimpl

if TYPE_CHECKING:
    from symdiff.groups import GroupFamily

PLUGIN_API = 1


@hookimpl
def symdiff_group_families() -> list[type[GroupFamily]]:
    """The family of observed actions."""
    from symdiff_actions.family import ActionsFamily

    return [ActionsFamily]
