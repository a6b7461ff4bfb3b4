"""Every command line that a page shows can be typed: the real parser takes it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from pages import BLOCKS, PAGES, prose
from typer.main import get_command

from symdiff.cli.app import app
from symdiff.options import check_options, parse_pairs
from symdiff.plugins import load_plugins

LINES = [(str(block), line) for block in BLOCKS for line in block.commands()]


def find(words: list[str]) -> tuple[Any, list[str]]:
    """The command that `words` name, and the words that are left."""
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def plain(line: str) -> list[str]:
    """The words of a line, its brackets for what may be left out removed, the first of alternatives taken."""
    line = re.sub(r"\[((?:--|-\w )[^]]*|[A-Z]+)]", r"\1", line)
    words = shlex.split(line)[1:]
    return [word.split("|")[0] if re.fullmatch(r"[\w|]+", word) else word for word in words]


def test_there_are_commands_on_many_pages():
    assert len(LINES) > 40
    assert len({place.split(":")[0] for place, _ in LINES}) > 8


@pytest.mark.parametrize(("place", "line"), LINES, ids=[f"{place} {line}" for place, line in LINES])
def test_a_command_line_is_understood_by_the_parser(place, line):
    del place
    numbers = {"N": "1", "S": "1", "K": "1", "W": "1"}
    command, words = find([numbers.get(word, word) for word in plain(line)])
    context = command.make_context("symdiff", list(words))
    if line.startswith("symdiff analyze"):
        groups = context.params["group"] or ["affine"]
        registry = load_plugins()
        known = [group for group in groups if group in ("actions", "affine", "escnn", "geomstats")]
        for family, keys in parse_pairs(context.params["option"] or [], groups).items():
            for key, values in keys.items():
                for value in values:
                    if family in known:
                        check_options(registry.family(family).Options, {key: value}, family)


def test_a_flag_that_does_not_exist_is_noticed():
    command, words = find(["analyze", "--stepz", "3"])
    with pytest.raises(Exception, match="No such option"):
        command.make_context("symdiff", words)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_and_flags_in_sentences_exist(page):
    for text in re.findall(r"`symdiff ([a-z][^`]*)`", prose(page.read_text(encoding="utf-8"))):
        command, words = find(plain("symdiff " + text))
        flags = {flag for part in command.params for flag in (*part.opts, *part.secondary_opts)} | {"--help", "-h"}
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= flags, text
