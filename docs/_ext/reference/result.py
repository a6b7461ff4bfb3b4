"""The schema of ``result.json``."""

from __future__ import annotations

from pydantic import BaseModel

from reference.docstring import parsed
from reference.table import code, fields, table
from symdiff.result import Claim, Estimate, Guarantee, Result, Verdict

MODELS: dict[type[BaseModel], str] = {
    Result: "The document",
    Verdict: "`verdict`",
    Claim: "`verdict.claims[NAME]`",
    Estimate: "`diagnostics[NAME]`",
    Guarantee: "`guarantees[]`",
}


def markdown() -> str:
    """A section an object."""
    return "\n".join(_section(model, title) for model, title in MODELS.items())


def _section(model: type[BaseModel], title: str) -> str:
    aliases = {code(name): code(field.alias) for name, field in model.model_fields.items() if field.alias}
    rows = [(aliases.get(name, name), kind, default) for name, kind, default, _ in fields(model)]
    return f"## {title}\n\n{parsed(model.__doc__)}\n{table(['key', 'type', 'default'], rows)}"
