"""What the page says of the parts of a representation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.report.pages import Document, page_of, section_of

MakeRun = Callable[..., Path]


def test_the_decomposition_is_answered_with_its_evidence_and_what_it_is_held_against(make_run: MakeRun) -> None:
    text = section_of(make_run())
    for words in (
        "ρ is decomposable: 16 blocks of dimension 2 (real type, reducible but indecomposable, flag 1 ⊂ 2).",
        "given by the design of the model, not found in the data. The form lie-projected consists of 16 blocks of",
        "Caution: Too few matrices to be sure.",
        "72 held-out elements, each the product of 4 consecutive steps",
        "1.2e-7, from the rounding of the weights to float32",
        "same structure on 100 % of 20 resamples",
        "largest accepted 8.9e-6, smallest rejected 3.4e12",
        "1 block of dimension 32 (real type, flag 31 ⊂ 32)",
        "the latents span 32 of 32 dimensions",
        "1.2e-7 100 % of 8",
    ):
        assert words in text
    assert "What was found" not in text


def test_a_structure_that_was_found_is_compared_with_those_that_were_given(make_run: MakeRun) -> None:
    def found(document: Document, like: int) -> None:
        part = document["decomposition"]
        part["given"] = part["comparison"][0]["given"] = False
        part["design"]["blocks"] = [32]
        part["comparison"][0]["blocks"] = part["comparison"][like]["blocks"]

    same = section_of(make_run("same", change=lambda document: found(document, 1)))
    assert "This structure was found: the form lie-projected was trained as one dense block of size 32." in same
    assert "What was found has the same structure as exact (closed form)." in same
    other = section_of(make_run("other", change=lambda document: found(document, 0)))
    assert "What was found has the structure of none of the closed forms." in other


@pytest.mark.parametrize("begun", [True, False])
def test_a_structure_found_from_a_closed_form_start_says_where_training_began(make_run: MakeRun, begun: bool) -> None:
    def change(document: Document) -> None:
        document["decomposition"] |= {"given": False}
        if begun:
            document["forms"]["start"] = document["forms"]["exact"]
        else:
            document["forms"].pop("start", None)

    assert ("Training began in closed form" in section_of(make_run(change=change))) == begun


def test_what_is_unresolved_is_not_called_found(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["decomposition"] |= {"verdict": "unresolved", "given": False}

    text = section_of(make_run(change=change))
    assert "ρ is unresolved at this noise; what could be separated: 16 blocks" in text
    assert "The form lie-projected was trained as 16 blocks of size 2." in text
    assert "was found" not in text


def test_a_block_the_encoder_never_maps_to_says_so(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["decomposition"]["blocks"][3] |= {"visited": 0, "share": 0.0}
        document["decomposition"] |= {"support_dimension": 30, "on_support": {"verdict": "irreducible", "blocks": []}}

    text = section_of(make_run(change=change))
    assert text.count("not visited") == 1
    assert "span 30 of 32 dimensions; on these alone ρ is irreducible" in text


def test_of_many_blocks_those_in_which_the_latents_vary_most_are_listed(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["decomposition"]["blocks"] = [
            {"dim": 1, "multiplicity": 1, "type": None, "verdict": "unresolved", "share": i / 780} for i in range(40)
        ]

    text = section_of(make_run(change=change))
    assert "16 more, in which the latents vary less, are left out" in text
    assert "40 1 1 — unresolved at this noise" in text
    assert "16 1 1 — unresolved at this noise" not in text


@pytest.mark.parametrize("document", [None, {"verdict": "unresolved"}, {"verdict": "irreducible", "blocks": [{}]}])
def test_a_decomposition_that_says_little_is_shown_as_far_as_it_goes(
    document: Document | None, make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    """Runs of earlier versions have none."""
    run = make_run(change=lambda d: d.update(decomposition=document), figures=figure_arrays)
    page = page_of(run)
    assert ("was not decomposed" if document is None else f"ρ is {document['verdict']}") in page.text
    assert "traversals" in page.ids
    assert "block-structure" not in page.ids
