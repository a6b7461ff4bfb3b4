"""The pages of the documentation: their blocks of code, their commands, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*/README.md"))

FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>executed|long|executed by [\w/.]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the mark in the comment above it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[str]:
        """The `symdiff` command lines of a block, without prompt and comment; lines that are continued are one."""
        if self.language not in ("", "console", "sh"):
            return
        for line in self.text.replace("\\\n", " ").splitlines():
            text = re.sub(r"\s# .*$", "", line.strip().removeprefix("$ "))
            # A synopsis may have two commands on a line.
            yield from (part.strip() for part in re.split(r"\s{2,}(?=symdiff )", text) if part.startswith("symdiff "))


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: found.start("text")].count("\n"), found["language"], found["text"], found["mark"] or "")
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]


def prose(text: str) -> str:
    """A page without its blocks."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).replace(" ", "-") for title in titles}
