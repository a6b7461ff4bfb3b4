"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line breaks in cells are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def code(value: Any) -> str:
    """A value as it is typed, as inline code; empty stays empty."""
    text = str(value)
    return f"`{text}`" if text else ""


def fields(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and description of every field of a pydantic model."""
    described = model.model_json_schema(mode="validation")["properties"]
    return [
        (
            code(name),
            code(_type(described[field.alias or name])),
            "required" if field.default is PydanticUndefined and not field.default_factory else code(_default(field)),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "none" if value is None else '""'
    return str(value)


def _type(schema: dict[str, Any]) -> str:
    """The type of a value in JSON, in words, with its range."""
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if schema.get("type") == "array":
        inner = schema.get("items")
        return f"list of {_type(inner)}" if inner else "list"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"table of {_type(inner)}" if isinstance(inner, dict) else "table"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {_number(schema[key])}" for key, sign in signs.items() if key in schema]
    name = {"null": "none"}.get(schema.get("type", "any"), schema.get("type", "any"))
    return f"{name} {', '.join(limits)}".strip()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _cell(text: str) -> str:
    # Between backticks a text stands for itself; elsewhere <...> would be taken for HTML.
    parts = " ".join(text.split()).replace("|", r"\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))
