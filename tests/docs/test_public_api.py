"""A change of the public API is made on purpose."""

from __future__ import annotations

import difflib

from public_api import SNAPSHOT, public_api, text

import symdiff

HOW = """
The public API is not the one in docs/api.json:

{changes}

If that is meant, write the new one with `python -m docs._ext.public_api` and say in CHANGELOG.md what changed.
"""


def test_the_public_api_is_the_one_that_was_agreed_on():
    written, found = SNAPSHOT.read_text(encoding="utf-8"), text()
    changes = "\n".join(difflib.unified_diff(written.splitlines(), found.splitlines(), "docs/api.json", "source", n=2))
    assert written == found, HOW.format(changes=changes)


def test_the_snapshot_holds_every_public_name_and_its_signature():
    api = public_api()
    assert set(api) == set(symdiff.__all__)
    assert "noise: float | None = None" in api["decompose"]["signature"]
    assert "compose" in api["GroupFamily"]["members"]
