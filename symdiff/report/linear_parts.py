"""The decomposition of the steps' own linear parts in plain words, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symdiff.report.notation import number
from symdiff.report.parts import VERDICTS, structure_text


@dataclass(frozen=True)
class LinearPartsSection:
    """What the page says of linear parts beside their decomposition.

    Attributes
    ----------
    sentences
        What was found, with its numbers.
    tolerances, levels
        Rows of the two tables, by column head.
    """

    sentences: list[str]
    tolerances: list[dict[str, str]]
    levels: list[dict[str, str]]


def linear_parts_section(document: Mapping[str, Any] | None) -> LinearPartsSection | None:
    """The section of a ``decomposition`` document; ``None`` unless it is one of linear parts."""
    about = (document or {}).get("linear_parts")
    if not about:
        return None
    return LinearPartsSection(
        sentences=[*_first_structure(about), *_correlation(about), *_asymmetry(about)],
        tolerances=[_row(row) for row in about["tolerances"]],
        levels=[
            {"timestep": number(row["timestep"]), "ᾱ": number(row["alpha_bar"]), **_row(row)} for row in about["levels"]
        ],
    )


def _first_structure(about: Mapping[str, Any]) -> list[str]:
    scanned = about["tolerances"]
    found = [row for row in scanned if row["verdict"] == "decomposable"]
    if not found:
        whole = [row["tolerance"] for row in scanned if row["verdict"] == "irreducible"]
        undecided = [row["tolerance"] for row in scanned if row["verdict"] != "irreducible"]
        said = []
        if whole:
            said.append(f"With up to {max(whole):.1%} of their motion taken for noise the linear parts do not split.")
        if undecided:
            said.append(f"From {min(undecided):.1%} on it cannot be told: what would be cut is as small as that.")
        return said
    first = found[0]
    return [
        f"With {first['tolerance']:.1%} of their motion taken for noise the linear parts split: "
        f"{structure_text(first['blocks'])}. What shows only from there on is an approximate structure."
    ]


def _correlation(about: Mapping[str, Any]) -> list[str]:
    found = about["block_correlation"]
    if found["value"] is None:
        return []
    return [
        f"The images' coordinates in different blocks have a correlation of {number(found['value'])} (root mean "
        f"square); uncorrelated ones would have {number(found['sampling'])} in a sample of this size, coordinates in a "
        f"random basis have {number(found['random'])}."
    ]


def _asymmetry(about: Mapping[str, Any]) -> list[str]:
    return [
        f"‖A − (A + Aᵀ)/2‖ is {number(about['asymmetry'])} of what the linear parts do beside multiplying by a number; "
        "those of an optimal denoiser are symmetric."
    ]


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    blocks: Sequence[Mapping[str, Any]] = row["blocks"]
    return {
        "taken for noise": f"{row['tolerance']:.1%}" if row["tolerance"] >= 1e-4 else "rounding",
        "verdict": VERDICTS.get(row["verdict"], row["verdict"]),
        "structure": structure_text(blocks),
        "commutant": number(row["commutant_dim"]),
    }
