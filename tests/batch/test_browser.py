"""The page of a study in a browser: what it adds to the page, and what it leaves alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symdiff.batch.differences import find_baseline
from symdiff.batch.pages import Pages
from symdiff.batch.recorded import read_recorded
from tests.batch.written import grid, settings, write_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

HOSTILE = "<img src=x onerror=\"document.title='hit'\">"

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


def write(path: Path, runs: list[dict[str, Any]], baseline: str | None = None) -> Path:
    recorded = read_recorded(write_study(path, runs))
    pages = Pages(recorded)
    if baseline:
        pages.baseline = find_baseline(baseline, recorded, pages.rows(), pages.findings())
    pages.write()
    return path / "index.html"


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Two models, six settings of each over three seeds; two runs failed, one is missing."""
    runs = grid(rhos=6)
    runs += [{"settings": settings("digits", seed=seed, rho="broken"), "cause": "out of memory"} for seed in range(2)]
    runs.append({"settings": settings(HOSTILE, seed=1)})
    return write(tmp_path_factory.mktemp("study") / "s", runs)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    runs = grid(seeds=1, models=("gaussian", "digits", "mixture", "mnist"), rhos=50)
    return write(tmp_path_factory.mktemp("large") / "s", runs, "r000")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def told() -> list[str]:
    """Whatever the browser complains of or asks for beside the page itself."""
    return []


@pytest.fixture
def opened(browser, told) -> Iterator[Any]:
    contexts = []

    def open_page(file: Path, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("request", lambda request: told.append(request.url) if request.url != file.as_uri() else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []


def column(page: Any, index: int) -> list[str]:
    """The cells of a column as a person sees them, in rows that are displayed."""
    texts = page.evaluate(
        "index => [...document.querySelectorAll('table[data-sortable=rows] tbody tr')]"
        ".filter((row) => row.getClientRects().length).map((row) => row.cells[index - 1].innerText)",
        index,
    )
    return [re.sub(r"\s+", " ", text).strip() for text in texts]


def means(page: Any) -> list[float]:
    return [float(text.split()[0]) for text in column(page, 6) if text not in ("failed", "missing")]


def test_a_head_sorts_by_the_mean_and_what_is_missing_comes_last_either_way(file, opened):
    page = opened(file)
    button = page.get_by_role("button", name="homomorphism error")
    for direction, reverse in (("ascending", False), ("descending", True)):
        button.click()
        found = means(page)
        assert len(found) == 12
        assert found == sorted(found, reverse=reverse)
        assert sorted(column(page, 6)[-2:]) == ["failed", "missing"]
        assert page.locator("th[aria-sort=" + direction + "]").count() == 1
        assert f"sorted by homomorphism error, {direction}" in page.get_by_role("status").first.inner_text()


def test_the_filter_leaves_the_rows_with_every_word_and_says_how_many(file, opened):
    page = opened(file)
    status = page.get_by_role("status").first
    assert status.inner_text() == "14 of 14 rows shown"
    page.get_by_role("searchbox", name="Filter rows").fill("GAUSSIAN form-2")
    assert status.inner_text() == "1 of 14 rows shown"
    assert column(page, 1) == ["gaussian"]
    page.get_by_role("searchbox", name="Filter rows").fill("")
    page.get_by_label("Show").select_option("with failures")
    assert column(page, 6) == ["failed"]


def test_the_keyboard_reaches_everything_and_sorts(file, opened):
    page = opened(file)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()")
        )
        if reached[-1] == "BUTTON prediction N\u00a0=\u00a03":
            break
    assert [text.split()[0] for text in reached[:3]] == ["INPUT", "SELECT", "DIV"]
    page.keyboard.press("Enter")
    found = [float(text.split()[0]) for text in column(page, 9) if text not in ("failed", "missing")]
    assert found == sorted(found)
    page.keyboard.press("Space")
    found = [float(text.split()[0]) for text in column(page, 9) if text not in ("failed", "missing")]
    assert found == sorted(found, reverse=True)


def test_print_has_all_rows_and_no_controls(file, opened):
    page = opened(file)
    page.get_by_role("searchbox", name="Filter rows").fill("nothing has this")
    assert column(page, 1) == []
    page.emulate_media(media="print")
    assert len(column(page, 1)) == 14
    assert not page.locator(".controls").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_the_page_is_whole_and_has_no_dead_controls(file, opened):
    page = opened(file, java_script_enabled=False)
    assert page.locator("table[data-sortable=rows] tbody tr").count() == 14
    assert page.locator("button, input, select").count() == 0
    assert page.locator("svg.forest").count() == 2


def test_whatever_a_model_is_called_nothing_of_it_runs(file, opened):
    page = opened(file)
    assert page.title() == "tiny – symdiff"
    assert any(HOSTILE in text for text in column(page, 1))


def test_tables_plots_and_controls_have_names(file, opened):
    page = opened(file)
    for role, name in (
        ("region", "Results"),
        ("searchbox", "Filter rows"),
        ("searchbox", "Filter runs"),
        ("combobox", "Show"),
        ("button", "homomorphism error"),
        ("columnheader", "homomorphism error"),
        ("img", "Homomorphism error"),
        ("img", "Prediction error"),
        ("link", "Skip to the results"),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("th:not([scope])").count() == 0
    assert "12 rows on a" in page.locator("svg.forest desc").first.text_content()
    nameless = page.evaluate(
        "[...document.querySelectorAll('a, button')]"
        ".filter((item) => !(item.textContent.trim() || item.getAttribute('aria-label'))).length"
    )
    assert nameless == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((item) => item.id)")
    assert len(ids) == len(set(ids))


def test_nulls_are_marked_in_the_plots(file, opened):
    titles = opened(file).locator("#prediction_error svg path title").all_text_contents()
    assert len(titles) == 2 * 12
    assert {title.split(":")[0] for title in titles} == {"null, identity", "null, pca"}


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_is_never_wider_than_the_window(large, opened, width):
    page = opened(large, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_two_hundred_runs_are_sorted_and_filtered(large, opened):
    page = opened(large)
    assert large.stat().st_size < 1_000_000
    page.get_by_role("button", name="homomorphism error").click()
    assert means(page) == sorted(means(page))
    page.get_by_role("searchbox", name="Filter rows").fill("mnist")
    assert page.get_by_role("status").first.inner_text().startswith("50 of 200 rows shown")
