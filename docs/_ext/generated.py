"""Replaces a line ``<!-- generated: NAME -->`` of a page by what `reference.NAME` makes of the code.

A page that is read as a file shows its introduction only; the site shows all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reference import api_names, cli, config, diagnostics, errors, hooks, result
from sphinx.application import Sphinx

MAKERS: dict[str, Callable[[], str]] = {
    "api-names": api_names.markdown,
    "cli": cli.markdown,
    "config": config.flags,
    "options": config.options,
    "study": config.study,
    "diagnostics": diagnostics.of_rho,
    "process": diagnostics.of_process,
    "errors": errors.markdown,
    "hooks": hooks.markdown,
    "result": result.markdown,
}

MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


def expanded(text: str) -> str:
    """The Markdown of a page with every mark replaced."""
    return MARK.sub(lambda found: MAKERS[found[1]](), text)


def _on_read(app: Sphinx, name: str, source: list[str]) -> None:
    del app, name
    source[0] = expanded(source[0])


def _always_again(app: Sphinx, env: object, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """A page that is made of the code is old when the code changed, which Sphinx does not see."""
    del env, added, changed, removed
    pages = [(name, app.env.doc2path(name)) for name in app.env.found_docs]
    return [name for name, path in pages if path.suffix == ".md" and MARK.search(path.read_text(encoding="utf-8"))]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the replacement."""
    app.connect("source-read", _on_read)
    app.connect("env-get-outdated", _always_again)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
