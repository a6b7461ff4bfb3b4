"""Representations with values on a matrix Lie group of geomstats, over the recorded affine steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symdiff import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from symdiff.groups import GroupFamily

PLUGIN_API = 1


@hookimpl
def symdiff_group_families() -> list[type[GroupFamily]]:
    """The geomstats family."""
    from symdiff_geomstats.library import refuse_if_missing

    refuse_if_missing()
    from symdiff_geomstats.family import GeomstatsFamily

    return [GeomstatsFamily]


@hookimpl
def symdiff_diagnostics() -> dict[str, Callable[[Any], Any]]:
    """The laws of a homomorphism in geodesic distances, and whether the values are on the manifold."""
    from symdiff_geomstats import diagnostics

    return {
        "geodesic_homomorphism_error": diagnostics.geodesic_homomorphism_error,
        "geodesic_identity_error": diagnostics.geodesic_identity_error,
        "geodesic_inverse_error": diagnostics.geodesic_inverse_error,
        "geodesic_translation_share": diagnostics.geodesic_translation_share,
        "geodesic_agreement": diagnostics.geodesic_agreement,
        "manifold_distance": diagnostics.manifold_distance,
    }
