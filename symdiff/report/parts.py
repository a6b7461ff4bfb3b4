"""The decomposition in plain words: what was found, whether it was given, and what it is to be held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symdiff.report.notation import UNKNOWN, number

MOST = 24
"""Rows of blocks shown; of more, those with the largest share of the latents' variance."""

VERDICTS = {
    "irreducible": "irreducible",
    "reducible-indecomposable": "reducible but indecomposable",
    "decomposable": "decomposable",
    "unresolved": "unresolved at this noise",
}

TYPES = {"R": "real", "C": "complex", "H": "quaternionic"}


@dataclass(frozen=True)
class BlockRow:
    """One line of the table of blocks: its number on the page, and what is shown of it."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Section:
    """What the page says about a decomposition.

    Attributes
    ----------
    answer
        Verdict and structure in one sentence.
    origin
        Whether the structure was given or found.
    evidence
        ``(name, text)`` pairs.
    cautions
        What speaks against relying on it.
    blocks, left_out
        Rows of the table of blocks, and how many more there are.
    comparison
        Rows of the table of closed forms, and what they say.
    agreement
        What the comparison comes to, empty where there is nothing to compare with.
    """

    answer: str
    origin: str
    evidence: list[tuple[str, str]]
    cautions: list[str]
    blocks: list[BlockRow]
    left_out: int
    comparison: list[dict[str, str]]
    agreement: str


def section(document: Mapping[str, Any] | None, *, begun: bool = False) -> Section | None:
    """The section of a ``decomposition`` document; ``None`` where there is none. Missing fields are left out.

    `begun` says that training began in closed form.
    """
    if not document:
        return None
    blocks = list(document.get("blocks") or ())
    rows = document.get("comparison") or ()
    return Section(
        answer=f"{_subject(document)} {_described(document)}.",
        origin=_origin(document, begun),
        evidence=[(name, text) for name, text in _evidence(document) if text],
        cautions=[str(caution) for caution in document.get("cautions") or ()],
        blocks=_block_rows(blocks),
        left_out=max(len(blocks) - MOST, 0),
        comparison=[_comparison_row(row) for row in rows] if len(rows) > 1 else [],
        agreement=_agreement(document, rows),
    )


def structure_text(blocks: Sequence[Mapping[str, Any]]) -> str:
    """``16 blocks of dimension 2 (real type, reducible but indecomposable, flag 1 ⊂ 2)``, and so on.

    The verdict on a single block is that on all of rho, and not said twice.
    """
    single = len(blocks) == 1 and (blocks[0].get("multiplicity") or 1) == 1
    kinds = Counter(_kind(block) for block in blocks)
    texts = []
    for (dim, multiplicity, form, verdict, flag), count in kinds.items():
        details = [f"{TYPES[form]} type" if form in TYPES else "", "" if single else VERDICTS.get(verdict, verdict)]
        details.append(f"flag {' ⊂ '.join(map(str, flag))}" if flag else "")
        noun = "block" if count * multiplicity == 1 else "blocks"
        copies = "" if multiplicity == 1 else f", {multiplicity} equivalent copies" + (" each" if count > 1 else "")
        described = ", ".join(filter(None, details))
        texts.append(
            f"{count * multiplicity} {noun} of dimension {dim}{copies}" + (f" ({described})" if described else "")
        )
    return "; ".join(texts)


def _subject(document: Mapping[str, Any]) -> str:
    return "The set of linear parts A_t(x) is" if "linear_parts" in document else "ρ is"


def _described(document: Mapping[str, Any]) -> str:
    verdict, structure = str(document.get("verdict")), structure_text(document.get("blocks") or ())
    joint = "; what could be separated: " if verdict == "unresolved" else ": "
    return VERDICTS.get(verdict, verdict) + (joint + structure if structure else "")


def _kind(block: Mapping[str, Any]) -> tuple[Any, int, str, str, tuple[int, ...]]:
    return (
        block.get("dim", UNKNOWN),
        int(block.get("multiplicity") or 1),
        str(block.get("type")),
        str(block.get("verdict")),
        tuple(block.get("flag") or ()),
    )


def _origin(document: Mapping[str, Any], begun: bool) -> str:
    sizes = (document.get("design") or {}).get("blocks")
    form = (document.get("design") or {}).get("form", "ρ")
    if document.get("given"):
        built = f" The form {form} consists of {_sizes(sizes)}." if sizes else ""
        return f"This structure was given by the design of the model, not found in the data.{built}"
    if "linear_parts" in document:
        return "It was found: the matrices are derivatives of the steps themselves, and no model was trained on them."
    built = f"the form {form} was trained as {_sizes(sizes)}" if sizes else "no structure was imposed on ρ"
    if document.get("verdict") == "unresolved":
        return built[0].upper() + built[1:] + "."
    # Found means that nothing kept rho to it; that it began there is for the reader to know.
    start = " Training began in closed form, which can bring a structure with it; with -o start=random it does not."
    return f"This structure was found: {built}.{start if begun else ''}"


def _sizes(sizes: Sequence[int]) -> str:
    if len(sizes) == 1:
        return f"one dense block of size {sizes[0]}"
    counts = Counter(sizes)
    return ", ".join(f"{count} block{'s' if count > 1 else ''} of size {size}" for size, count in counts.items())


def _evidence(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the verdict rests on, in the order in which one would ask for it."""
    elements, count = document.get("elements") or {}, document.get("count")
    length = elements.get("word_length")
    words = "" if count is None else f"{count} held-out elements"
    if words and length:
        words += f", each the product of {length} consecutive steps" if length > 1 else ", single ones"
        words += f"; root mean square of ‖ρ(g) − 1‖/√m {number(elements.get('displacement'))}"
    if "linear_parts" in document:
        words = f"{count} linear parts; root mean square of ‖A − 1‖/√m {number(elements.get('displacement'))}"
    noise = document.get("noise")
    stability, resamples = document.get("stability"), document.get("resamples")
    accepted, rejected = document.get("largest_accepted_cut"), document.get("smallest_rejected_cut")
    cuts = [f"largest accepted {number(accepted)}"] if accepted is not None else []
    cuts += [f"smallest rejected {number(rejected)}"] if rejected is not None else []
    support, size = document.get("support_dimension"), document.get("size")
    spanned = "" if support is None else f"the latents span {support} of {size} dimensions"
    if spanned and support != size:
        there = document.get("on_support")
        spanned += f"; on these alone ρ is {_described(there)}" if there else "; ρ does not keep to these"
    obstruction = document.get("obstruction")
    return [
        ("reason", str(document.get("reason") or "")),
        ("matrices", words),
        ("noise", "" if noise is None else f"{number(noise)}, from the {document.get('noise_source', 'caller')}"),
        ("stability", "" if stability is None else f"same structure on {_share(stability)} of {resamples} resamples"),
        ("cuts", f"{', '.join(cuts)} (in units of what noise alone leaves)" if cuts else ""),
        ("outside the blocks", "" if not document.get("off_block") else f"{number(document['off_block'])} of ρ"),
        ("commutant", "" if document.get("commutant_dim") is None else f"dimension {document['commutant_dim']}"),
        (
            "obstruction",
            "" if obstruction is None else f"{number(obstruction)} of the coupling is removed by no change of basis",
        ),
        ("latents", spanned),
    ]


def _block_rows(blocks: Sequence[Mapping[str, Any]]) -> list[BlockRow]:
    largest = sorted(range(len(blocks)), key=lambda index: -float(blocks[index].get("share") or 0))[:MOST]
    return [BlockRow(index + 1, _block_cells(blocks[index])) for index in sorted(largest)]


def _block_cells(block: Mapping[str, Any]) -> dict[str, str]:
    dim, copies = block.get("dim"), block.get("multiplicity") or 1
    visited, flag, verdict = block.get("visited"), block.get("flag"), str(block.get("verdict") or UNKNOWN)
    whole = None if dim is None else dim * copies
    reached = UNKNOWN if visited is None else f"{visited} of {whole}" if visited else "not visited"
    return {
        "dimension": number(dim),
        "copies": number(copies),
        "type": TYPES.get(str(block.get("type")), UNKNOWN),
        "verdict": VERDICTS.get(verdict, verdict),
        "flag": " ⊂ ".join(map(str, flag)) if flag else UNKNOWN,
        "obstruction": number(block.get("obstruction")),
        "latents reach": reached,
        "share of variance": UNKNOWN if block.get("share") is None else _share(block["share"]),
    }


def _comparison_row(row: Mapping[str, Any]) -> dict[str, str]:
    stability, resamples, verdict = row.get("stability"), row.get("resamples"), str(row.get("verdict"))
    return {
        "form": str(row.get("form")),
        "structure": structure_text(row.get("blocks") or ()) or UNKNOWN,
        "origin": "given" if row.get("given") else "found",
        "verdict": VERDICTS.get(verdict, verdict),
        "commutant": number(row.get("commutant_dim")),
        "noise": number(row.get("noise")),
        "stability": UNKNOWN if stability is None else _share(stability) + (f" of {resamples}" if resamples else ""),
    }


def _agreement(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """For a structure that was found: which of the given ones it is the same as."""
    if document.get("given") or document.get("verdict") == "unresolved" or len(rows) < 2:
        return ""
    ours = Counter(map(_kind, rows[0].get("blocks") or ()))
    same = [str(row.get("form")) for row in rows[1:] if Counter(map(_kind, row.get("blocks") or ())) == ours]
    if same:
        return f"What was found has the same structure as {' and '.join(same)}."
    return "What was found has the structure of none of the closed forms."


def _share(value: float) -> str:
    return f"{number(100 * value)}\N{NO-BREAK SPACE}%"
