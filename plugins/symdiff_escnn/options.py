"""Options of the escnn family."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from symdiff.groups import FamilyOptions
from symdiff_escnn.elements import parse_group
from symdiff_escnn.latent import is_choice


class EscnnOptions(FamilyOptions):
    """What ``-o key=value`` sets."""

    group: str = Field("D4", description="The group: C_N or D_N (C4, D4, ...), SO2, O2.")
    rho: Literal["exact", "mlp", "lie"] = Field(
        "exact", description="Form of rho: a sum of irreps, a learned network, exp of a learned generator (SO2 only)."
    )
    encoder: Literal["equivariant", "plain"] = Field(
        "equivariant",
        description="Encoder and decoder: equivariant by construction, or plain ones that have to learn it.",
    )
    layers: Literal["irreps", "conv"] = Field(
        "irreps", description="Body of the encoder: layers on irreps, or steerable convolutions (subgroups of D4 only)."
    )
    kernel: int = Field(3, ge=1, le=15, description="Width of the kernels of layers=conv; odd.")
    irreps: str = Field(
        "smooth", description="Irreps of the latent space: smooth, regular, or a list such as irrep_0,0:4,irrep_1,1:6."
    )
    band: float = Field(
        1.0, gt=0, le=1.5, description="Share of the Nyquist limit that is turned (no effect within D4)."
    )
    levels: str = Field("0-1", description="Range of signal share alpha_bar that states are taken from, such as 0.5-1.")

    @field_validator("group", mode="before")
    @classmethod
    def _is_group(cls, value: Any) -> str:
        return parse_group(str(value))

    @field_validator("rho")
    @classmethod
    def _has_log(cls, value: str, info: Any) -> str:
        if value == "lie" and info.data.get("group", "SO2") != "SO2":
            raise ValueError(f"lie is for SO2 only, {info.data['group']} has no logarithm: take exact or mlp")
        return value

    @field_validator("kernel")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd, so that a kernel is centred on a pixel")
        return value

    @field_validator("irreps")
    @classmethod
    def _is_choice(cls, value: str) -> str:
        text = value.replace(" ", "")
        if not is_choice(text):
            raise ValueError("must be smooth, regular, or names with multiplicities such as irrep_1:4,irrep_2:3")
        return text

    @field_validator("levels")
    @classmethod
    def _is_range(cls, value: str) -> str:
        found = re.fullmatch(r"(\d*\.?\d+)-(\d*\.?\d+)", value.replace(" ", ""))
        if found is None or not 0 <= float(found[1]) <= float(found[2]) <= 1:
            raise ValueError("must be a range within 0-1, such as 0.5-1")
        return value.replace(" ", "")

    @property
    def signal(self) -> tuple[float, float]:
        """Lowest and highest alpha_bar of the states."""
        low, high = self.levels.split("-")
        return float(low), float(high)
