"""Links lead somewhere, on the site and where the pages are read as files."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from generated import expanded
from pages import EXAMPLES, PAGES, ROOT, anchors, prose

ALL = [*PAGES, *EXAMPLES, *sorted((ROOT / "docs" / "reference").glob("*.md"))]


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_has_a_target(page):
    for link in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.is_file(), link
        if parts.fragment:
            assert parts.fragment in anchors(expanded(target.read_text(encoding="utf-8"))), link


def test_every_page_is_in_the_table_of_contents():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
    named = {line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")}
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in ALL if "docs" in page.parts}
    assert named == pages - {"index"} | {"examples/gallery/index"}
