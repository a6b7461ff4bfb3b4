"""The page of a run: complete, self-contained, well-formed, and the verdict first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.errors import DiskError, OutputError, RefusedError
from symdiff.report import write_report
from symdiff.report.answer import sentence
from tests.report.pages import Document, Page, page_of, result_of

MakeRun = Callable[..., Path]
Lines = list[dict[str, Any]]

FIGURES = {
    "word-length": ["word_length", "word_length_error"],
    "horizon": ["horizon", "horizon_reconstruction_error"],
    "gauges": ["step_timestep", "gauge_eps"],
    "translation-norm": ["step_timestep", "v_norm_median"],
    "eigenvalue-moduli": ["eigenvalue_moduli"],
    "latent-spectrum": ["latent_singular_values"],
    "strip": ["strip"],
    "reconstructions": ["reconstruction_observations", "reconstruction_predictions"],
    "traversals": ["traversals"],
    "block-structure": ["decomposition_before", "decomposition_after"],
}
"""Each figure with the least it can be drawn from."""


# --- the page as a file -----------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["complete", "collapsed", "forgetful", "rgb", "bare"])
def test_every_page_is_well_formed_self_contained_and_below_one_megabyte(
    variant: str, variants: dict[str, Callable[[], Path]]
) -> None:
    run = variants[variant]()
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert len(text.encode()) < 1_000_000
    assert not {"script", "link", "iframe", "object", "embed", "base"} & page.tags.keys()
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in {"src", "href", "xlink:href", "data", "poster", "srcset", "action"}:
            assert value.startswith(("#", "data:image/png;base64,")), value
    assert re.findall(r"url\((?!#)|@import|https?://", text) == []


def test_links_within_the_page_lead_somewhere(variants: dict[str, Callable[[], Path]]) -> None:
    page = page_of(variants["complete"]())
    targets = {value[1:] for tag, name, value in page.attributes if tag in {"a", "use"} and name == "href"}
    assert targets <= set(page.ids)


def test_every_picture_has_a_text_and_every_table_has_heads_and_a_caption(
    variants: dict[str, Callable[[], Path]],
) -> None:
    page = page_of(variants["complete"]())
    assert page.tags["img"] == sum(1 for tag, name, value in page.attributes if (tag, name) == ("img", "alt") and value)
    drawings = [name for tag, name, value in page.attributes if tag == "div" and name == "aria-label" and value]
    assert len(drawings) >= page.tags["svg"] > 0
    assert page.tags["caption"] == page.tags["table"] == page.tags["thead"]
    assert page.tags["th"] == sum(1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope"))


def test_the_same_files_give_the_same_bytes(variants: dict[str, Callable[[], Path]]) -> None:
    run = variants["complete"]()
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_colours_of_figures_follow_the_page(variants: dict[str, Callable[[], Path]]) -> None:
    text = write_report(variants["complete"]()).read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert drawings
    assert [colour for drawing in drawings for colour in re.findall(r"#[0-9a-f]{6}\b", drawing)] == []
    assert "prefers-color-scheme: dark" in text


# --- what it says -----------------------------------------------------------------------------


@pytest.mark.parametrize("structured", ["supported", "not supported", "inconclusive", "collapsed"])
def test_the_verdict_comes_first_whatever_it_is(structured: str, make_run: MakeRun) -> None:
    run = make_run(change=lambda document: document["verdict"].update(structured=structured))
    text = write_report(run).read_text(encoding="utf-8")
    heading = text.index("<h1>")
    assert text[heading : heading + 200].lower().count(f">{structured}:") == 1
    assert heading < text.index(sentence(result_of(run)["verdict"]["reason"])) < text.index("<h2")
    assert text.index("<h2") < text.index("<table")


@pytest.mark.parametrize("status", ["supported", "not supported", "inconclusive"])
def test_every_claim_is_shown_with_its_status_and_evidence(status: str, make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        for name, claim in document["verdict"]["claims"].items():
            claim.update(status=status, evidence=f"evidence of {name}_claim")

    text = write_report(make_run(change=change)).read_text(encoding="utf-8")
    claims = text[text.index('class="claims"') : text.index('id="forms"')]
    assert claims.count(f'<span class="status {status.replace(" ", "-")}">{status}</span>') == 3
    for name in ("law", "content", "decomposition"):
        assert f"Evidence of {name}_claim." in claims
    assert claims.count("Supported means") == claims.count("It does not mean") == 3


def test_a_run_that_did_not_finish_says_so(make_run: MakeRun) -> None:
    assert "was interrupted" in page_of(make_run(change=lambda d: d.update(status="interrupted"))).text
    assert "was interrupted" not in page_of(make_run("done")).text


def test_every_diagnostic_appears_with_its_value_interval_nulls_and_caution(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["diagnostics"]["from_a_plugin"] = document["diagnostics"]["action_energy"] | {
            "null": {"shuffled_twice": 0.125},
            "caution": "only three elements",
        }

    run = make_run(change=change)
    text = write_report(run).read_text(encoding="utf-8")
    table = unescape(text[text.index('id="diagnostics"') : text.index('id="process"')])
    for name in result_of(run)["diagnostics"]:
        assert table.count(f"<code>{name}</code>") == 1
    row = table[table.index("<code>from_a_plugin</code>") :]
    for shown in ("0.0317", "[0.0301, 0.0333]", "0.125", "only three elements", "shuffled twice"):
        assert shown in (table if shown == "shuffled twice" else row)
    assert "p = 0.0025" in table


def test_what_could_not_be_computed_is_a_dash_with_its_caution(variants: dict[str, Callable[[], Path]]) -> None:
    run = variants["forgetful"]()
    text = write_report(run).read_text(encoding="utf-8")
    for row in re.findall(r"<tr>\s*<th scope=\"row\"><code>.*?</tr>", text, flags=re.DOTALL):
        assert "Caution: " in row
        assert '<td class="n value" data-label="value"><span>—</span></td>' in row
    assert "None" not in Page(text).text
    assert re.search(r"\bnan\b", Page(text).text, flags=re.IGNORECASE) is None


def test_guarantees_warnings_timing_and_settings_are_listed(make_run: MakeRun) -> None:
    run = make_run()
    text = page_of(run).text
    document = result_of(run)
    for guarantee in document["guarantees"]:
        assert guarantee["condition"] in text
        assert guarantee["evidence"] in text
    assert "it was left out of training" in text
    assert "options.gauge" in text
    assert "packages.torch" in text
    assert "train 41.8 s" in text
    assert "symdiff analyze digits --group affine -o gauge=v" in text


def test_a_family_that_acts_on_observations_gets_its_own_words(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["process"] = {"equivariance_error": [{"value": 0.01, "interval": None}]}

    assert "the denoiser commutes with the action" in page_of(make_run(change=change)).text


# --- hostile, missing and damaged input ---------------------------------------------------------

HOSTILE = "<script>alert('x')</script>\"'&</style>{{ 7 * 7 }}"


def test_hostile_names_are_shown_and_not_interpreted(make_run: MakeRun) -> None:
    def change(document: Document) -> None:
        document["model"] = document["verdict"]["reason"] = document["group"] = HOSTILE
        document["config"]["sampler"] = HOSTILE
        document["config"]["options"][HOSTILE] = HOSTILE
        document["warnings"] = [HOSTILE]
        document["diagnostics"][HOSTILE] = document["diagnostics"]["action_energy"] | {"null": {HOSTILE: 1.0}}
        document["forms"][HOSTILE] = document["forms"]["lie"] | {"caution": HOSTILE}
        document["guarantees"] = [{"condition": HOSTILE, "status": "fail", "evidence": HOSTILE}]
        document["verdict"]["claims"]["law"]["evidence"] = HOSTILE
        document["process"]["shared_affine_r2_denoised"][0]["caution"] = HOSTILE

    run = make_run(
        change=change, lines=[{"stage": HOSTILE, "step": 1, "loss": 1.0}, {"stage": "b", "step": 1, "loss": 2}]
    )
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags["style"] == 1
    assert HOSTILE in page.text


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_figure_needs_its_own_arrays_and_no_others(
    name: str, make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    own = {key: figure_arrays[key] for key in FIGURES[name]}
    page = page_of(make_run(change=lambda document: document.update(process={}), figures=own))
    assert page.tags["figure"] == 1
    assert name in page.ids


def test_a_complete_run_has_every_figure(
    make_run: MakeRun, figure_arrays: dict[str, np.ndarray], metrics: Lines
) -> None:
    page = page_of(make_run(figures=figure_arrays, lines=metrics))
    others = {"training-loss", "training-terms", "shared-affine-denoised", "shared-affine-step"}
    assert FIGURES.keys() | others <= set(page.ids)
    assert page.tags["figure"] == len(FIGURES) + len(others)


@pytest.mark.parametrize("damage", ["wrong shape", "nan", "empty", "mismatch"])
def test_unusable_arrays_leave_out_their_figures_only(
    damage: str, make_run: MakeRun, figure_arrays: dict[str, np.ndarray]
) -> None:
    def damaged(array: np.ndarray) -> np.ndarray:
        if damage == "wrong shape":
            return array[None]
        if damage == "nan":
            return np.full_like(array, np.nan)
        return array[:0] if damage == "empty" else np.concatenate([array, array])

    keys = ("word_length_error", "gauge_v", "gauge_eps", "gauge_x0", "v_norm_median", "reconstruction_predictions")
    page = page_of(make_run(figures=figure_arrays | {key: damaged(figure_arrays[key]) for key in keys}))
    assert not {"word-length", "gauges", "translation-norm", "reconstructions"} & set(page.ids)
    assert {"horizon", "strip", "latent-spectrum"} <= set(page.ids)


def test_damaged_files_are_named_and_the_rest_is_shown(make_run: MakeRun, metrics: Lines) -> None:
    run = make_run(lines=metrics)
    (run / "figures.safetensors").write_bytes(b"not tensors")
    (run / "environment.json").write_text("{", encoding="utf-8")
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"stage": "lie", "st')
    page = page_of(run)
    assert "figures.safetensors is unreadable" in page.text
    assert "environment.json is unreadable" in page.text
    assert "1 damaged line(s) of metrics.jsonl" in page.text
    assert "training-loss" in page.ids


def test_without_a_result_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no result at"):
        write_report(tmp_path)
    with pytest.raises(OutputError, match="not a run directory"):
        write_report(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_leaves_the_earlier_one(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    before = write_report(run).read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DiskError, match="No space left"):
        write_report(run)
    assert (run / "report.html").read_bytes() == before
    assert list(run.glob(".*.tmp")) == []


@given(st.text(max_size=40))
def test_a_sentence_keeps_its_words_and_ends(text: str) -> None:
    written = sentence(text)
    assert text.strip()[1:] in written
    assert written == "" or written[-1] in ".!?"
