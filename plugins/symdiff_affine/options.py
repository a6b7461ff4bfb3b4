"""Options of the affine family."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from symdiff.affine_steps import StepOptions


class AffineOptions(StepOptions):
    """What ``-o key=value`` sets."""

    rho: Literal["lie-projected", "lie", "mlp", "exact"] = Field("lie-projected", description="Form of rho.")
    block: str = Field("2", description="Block sizes: one number, a list such as 2,2,4, or free: one dense block.")
    exact: Literal["joint", "blocks", "symmetric"] = Field(
        "joint", description="Exact form: one block of size m, blocks as `block` says, or a symmetric power."
    )
    linear: Literal["scalar", "jacobian"] = Field(
        "scalar", description="Linear part of a step: the scalar a, or its Jacobian A(x), decomposed without training."
    )
    at: Literal["states", "mean"] = Field("states", description="Where Jacobians are taken: recorded or mean states.")
    levels: int = Field(10, ge=1, le=64, description="Noise levels at which Jacobians are taken.")
    states: int = Field(6, ge=1, le=32, description="Trajectories whose Jacobians are taken at each level.")
    subspace: int = Field(64, ge=2, le=256, description="Dimension that Jacobians of more than 256 pixels are cut to.")
    power: int = Field(2, ge=1, le=4, description="Degree of the symmetric power.")

    @field_validator("block", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("block")
    @classmethod
    def _is_block(cls, value: str) -> str:
        parts = value.split(",")
        if value != "free" and not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            raise ValueError("must be free, a positive number, or positive numbers separated by commas")
        return value.replace(" ", "")

    def block_sizes(self, latent: int) -> tuple[int, ...] | None:
        """Block sizes at latent dimension m, or ``None`` if they do not fit."""
        if self.block == "free":
            return (latent,)
        sizes = tuple(int(part) for part in self.block.split(","))
        if len(sizes) == 1:
            sizes *= latent // sizes[0]
        return sizes if sum(sizes) == latent else None
