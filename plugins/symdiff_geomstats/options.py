"""Options of the geomstats family."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from symdiff.affine_steps import StepOptions


class GeomstatsOptions(StepOptions):
    """What ``-o key=value`` sets."""

    manifold: Literal["so", "se", "gl+", "triangular", "rotations-scales"] = Field(
        "so", description="Group the values of rho lie in."
    )
    n: int = Field(4, ge=2, le=32, description="Its n: matrices are n x n, of size n + 1 for se.")
    rho: Literal["lie", "mlp"] = Field(
        "lie", description="Form of rho: Exp . d rho . log with d rho linear, or Exp of a network."
    )
