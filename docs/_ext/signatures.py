"""The signature of a settings class is its table of keys, not the types that pydantic makes of them."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx


def _shown(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    del app, what, name, options
    if inspect.isclass(value) and issubclass(value, BaseModel):
        return "(**keys)", None
    return signature, returns


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it."""
    app.connect("autodoc-process-signature", _shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
