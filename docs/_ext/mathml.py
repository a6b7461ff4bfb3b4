"""Formulas as MathML, made when the site is built: no script, and nothing loaded from elsewhere when it is read."""

from __future__ import annotations

from html import escape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"

ACCENTS = ("ˉ", "ˆ", "^", "˜", "~", "¯")

ElementTree.register_namespace("", NAMESPACE.strip("{}"))

log = logging.getLogger(__name__)


def visit_inline(self: Any, node: nodes.math) -> None:
    """Write a formula of a sentence."""
    self.body.append(rendered(node.astext(), block=False, where=node))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    number = ""
    if node.get("number"):
        number = f'<span class="eqno">({node["number"]})</span>'
    names = "".join(f'<span id="{name}"></span>' for name in node.get("ids", []))
    self.body.append(f'<div class="math">{names}{number}{rendered(node.astext(), block=True, where=node)}</div>')
    raise nodes.SkipNode


def rendered(formula: str, *, block: bool, where: nodes.Node | None = None) -> str:
    """MathML of a formula in LaTeX; one that cannot be read is a warning, and stands as it was written."""
    try:
        return with_accents_above(str(tex2mathml(formula, as_block=block)))
    except MathError as error:
        log.warning("formula cannot be rendered: %s: %s", formula, error, location=where)
        return f"<code>{escape(formula)}</code>"


def with_accents_above(markup: str) -> str:
    """An index of a letter with an accent stands beside both; docutils puts it below the letter."""
    root = ElementTree.fromstring(markup.replace("&ApplyFunction;", "\u2061"))
    for node in root.iter(f"{NAMESPACE}munderover"):
        letter, index, mark = node
        if mark.tag == f"{NAMESPACE}mo" and mark.text in ACCENTS:
            accented = ElementTree.Element(f"{NAMESPACE}mover", accent="true")
            accented.extend([letter, mark])
            node.tag, node[:] = f"{NAMESPACE}msub", [accented, index]
    return ElementTree.tostring(root, encoding="unicode")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
