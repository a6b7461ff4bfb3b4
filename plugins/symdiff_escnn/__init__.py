"""Rotations and reflections of images: the groups C_N, D_N, SO(2) and O(2), with networks equivariant under them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symdiff import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from symdiff.groups import GroupFamily

PLUGIN_API = 1


@hookimpl
def symdiff_group_families() -> list[type[GroupFamily]]:
    """The escnn family."""
    from symdiff_escnn.library import refuse_if_missing

    refuse_if_missing()
    from symdiff_escnn.family import EscnnFamily

    return [EscnnFamily]


@hookimpl
def symdiff_diagnostics() -> dict[str, Callable[[Any], Any]]:
    """What is known of a representation of these groups and can be held against the one that was found."""
    from symdiff_escnn import diagnostics

    return {
        "relator_error": diagnostics.relator_error,
        "encoder_equivariance_error": diagnostics.encoder_equivariance_error,
        "decoder_equivariance_error": diagnostics.decoder_equivariance_error,
        "character_error": diagnostics.character_error,
        "character_norm": diagnostics.character_norm,
        "invariant_dimension": diagnostics.invariant_dimension,
    }
