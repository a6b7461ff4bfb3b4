"""The section on the process: words first, every number with its interval, and only what was measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symdiff.errors import DiskError
from symdiff.report import glossary, write_process_page, write_report
from symdiff.report.figures import bound, linear_part, maps
from symdiff.report.figures import process as figures
from symdiff.report.process_page import render_process
from symdiff.report.process_section import ROWS, section
from tests.report import described
from tests.report.pages import Page

MakeRun = Callable[..., Path]

PLATES = {
    "shared-affine-denoised",
    "shared-affine-step",
    "composed",
    "bound-terms",
    "jacobian-spectrum",
    "effective-rank",
    "symmetry-defect",
    "commutators",
    "gauges",
}
LABELS = ["Shared maps", "Composition", "Bound", "Linear part", "Group elements"]


@pytest.fixture(scope="module")
def text() -> str:
    return render_process(described.document())


def test_the_page_is_well_formed_self_contained_and_small(text: str) -> None:
    page = Page(text)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert len(text.encode()) < 500_000
    assert not {"script", "link", "iframe", "object", "embed", "base"} & page.tags.keys()
    assert re.findall(r"url\((?!#)|@import|https?://", text) == []
    for tag, name, value in page.attributes:
        if name in {"src", "href"}:
            assert value.startswith(("#", "data:")), (tag, value)


def test_every_figure_has_a_text_and_every_table_heads_and_a_caption(text: str) -> None:
    page = Page(text)
    assert set(page.ids) >= PLATES
    drawings = [name for tag, name, value in page.attributes if tag == "div" and name == "aria-label" and value]
    assert len(drawings) >= page.tags["svg"] == len(PLATES)
    assert page.tags["caption"] == page.tags["table"] == page.tags["thead"]
    assert page.tags["th"] == sum(1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope"))


def test_words_come_before_figures_and_figures_before_tables(text: str) -> None:
    words = described.process()["words"]
    places = [text.index(words[0]), text.index(words[1]), text.index("<figure"), text.index("<table")]
    assert places == sorted(places)


def test_the_page_of_a_run_has_the_same_section(make_run: MakeRun, text: str) -> None:
    run = make_run(change=lambda document: document.update(process=described.process()))
    run = write_report(run).read_text(encoding="utf-8")
    run = run[run.index('<h2 id="process">') : run.index('<h2 id="model">')]
    for sentence in described.process()["words"]:
        assert sentence in run
    for label in LABELS:
        assert f'aria-label="{label}"' in run
        assert f'aria-label="{label}"' in text
    assert set(re.findall(r'<figure id="([\w-]+)"', run)) == PLATES


def test_tables_hold_the_numbers_with_their_intervals() -> None:
    tables = {table.label: table for table in section(described.process()).tables}
    assert list(tables) == LABELS
    assert len(tables["Shared maps"].rows) == ROWS
    assert [row[0] for row in tables["Shared maps"].rows][:: ROWS - 1] == ["1000", "20"]
    assert tables["Composition"].rows[-1] == [
        "20", "0.950 [0.930, 0.970]", "0.920 [0.900, 0.940]", "1", "0.650 [0.630, 0.670]",
    ]  # fmt: skip
    assert tables["Bound"].rows[2][:2] == ["optimal", "2.63 [2.58, 2.68]"]
    assert "x̂₀ not clipped" in tables["Bound"].caption
    facts = {row[0]: row[1:] for row in tables["Group elements"].rows}
    assert facts["steps in GL(d+1)"] == ["50 of 50", "50 of 50", "49 of 50"]
    assert facts["outside"] == ["none", "none", "t = 20: a = 0: the state before the step is forgotten"]
    assert facts["it should be"] == ["√(ᾱ_T/ᾱ_f) = 0.00635", "√(ᾱ_f/ᾱ_T) = 157", "no formula known"]
    assert tables["Linear part"].rows[0][2] == "10 [9, 11]"


def test_every_figure_of_a_process_has_a_meaning_and_the_page_tells_it(text: str) -> None:
    figures_of = described.process().keys() - {"words", "cautions", "linear_part_absent"}
    assert glossary.of_process().keys() == figures_of
    for name in figures_of:
        assert f"<code>{name}</code>" in text


def test_cautions_are_told_once() -> None:
    process = described.process()
    for entry in process["shared_affine_r2_denoised"]:
        entry["caution"] = "few trajectories"
    process["elbo"]["caution"] = "few images"
    process["linear_part"]["levels"][2]["caution"] = "few states"
    process["group"]["v"]["caution"] = "half precision"
    assert section(process).cautions == [
        "few trajectories",
        "few images",
        "half precision",
        "∂x̂₀/∂x at t = 500: few states",
    ]


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"elbo": {"absent": "the model is not at hand"}, "linear_part": None}, {"Bound", "Linear part"}),
        ({"composed": [], "group": {}}, {"Composition", "Group elements"}),
    ],
    ids=["without the model", "maps, bound and linear part alone"],
)
def test_what_was_not_measured_is_not_shown(changes: dict[str, Any], gone: set[str]) -> None:
    process = described.process() | changes
    assert [table.label for table in section(process).tables] == [label for label in LABELS if label not in gone]
    drawings = {"Bound": bound.bound_terms, "Composition": maps.composed, "Group elements": figures.gauges_of}
    drawings["Linear part"] = linear_part.commutators
    for label in gone:
        assert drawings[label](process) is None


def test_a_description_of_nothing_is_a_page(tmp_path: Path) -> None:
    document = described.document() | {"process": {}, "warnings": [], "timing": {}}
    page = Page(write_process_page(document, tmp_path / "process.html").read_text(encoding="utf-8"))
    assert page.tags["svg"] == 0
    assert page.tags["table"] == 1  # the settings


@pytest.mark.parametrize("value", [None, 0.0, 1e-300, -3.0, 1e30])
def test_odd_numbers_are_drawn_without_complaint(value: float | None) -> None:
    process = described.process()
    for entry in process["composed"]:
        entry |= {"composed": described.figure(value), "ceiling": value}
    for entry in process["linear_part"]["levels"]:
        entry["effective_rank"] = entry["symmetry_defect"] = described.figure(value)
        entry["eigenvalues"] = [value or 0.0] * 3
    for entry in process["elbo"]["levels"]:
        entry["optimal"] = described.figure(value)
    process["linear_part"]["commutators"]["matrix"][0][1] = value
    for figure in (maps.composed, linear_part.effective_rank):
        assert (figure(process) is not None) == (value is not None)
    for figure in (bound.bound_terms, linear_part.commutators, linear_part.jacobian_spectrum):
        assert figure(process) is not None


def test_commutators_that_are_rounding_are_not_drawn_in_full_colour() -> None:
    process = described.process()
    process["linear_part"]["commutators"]["matrix"] = (1e-16 * np.ones((5, 5))).tolist()
    plate = linear_part.commutators(process)
    assert plate is not None
    assert "transparent is 0.001 and less" in plate.caption


def test_fewer_numbers_are_shown_beside_the_affine_map_only_if_they_were_measured() -> None:
    process = described.process()
    alone = {"shared_affine_r2_denoised": process["shared_affine_r2_denoised"]}
    together, single = maps.shared_affine_denoised(process), maps.shared_affine_denoised(alone)
    assert together is not None
    assert single is not None
    assert "one gain a pixel" in together.svg
    assert "one gain" not in single.svg


def test_hostile_text_is_shown_and_not_interpreted() -> None:
    hostile = "<script>alert('x')</script>\"'&</style>{{ 7 * 7 }}"
    document = described.document() | {"model": hostile, "warnings": [hostile]}
    document["process"]["words"] = [hostile]
    document["process"]["elbo"]["origin"] = hostile
    document["recording"]["sampler"] = hostile
    for part in ("shared_affine_r2", "shared_affine_r2_denoised", "composed", "linear_part", "group"):
        document["process"].pop(part)  # drawing takes long, and draws no text of others
    page = Page(render_process(document))
    assert "script" not in page.tags
    assert page.tags["style"] == 1
    assert hostile in page.text


def test_the_same_document_gives_the_same_bytes(text: str) -> None:
    assert render_process(described.document()) == text


def test_a_page_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="could not be written"):
        write_process_page(described.document() | {"process": {}}, tmp_path / "missing" / "process.html")
    assert list(tmp_path.iterdir()) == []
