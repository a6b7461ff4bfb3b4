"""The public API as text: ``python -m docs._ext.public_api`` writes it to docs/api.json.

Names and signatures are read from the source by griffe, without importing it. A test compares the file with the
source, so that a change of the public API is seen, and told, by whoever makes it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[2]

SNAPSHOT = ROOT / "docs" / "api.json"


@cache
def public_api() -> dict[str, dict[str, object]]:
    """Every name of ``symdiff.__all__``: what it is, its signature, and those of its public members."""
    # Names are imported when they are first used; griffe follows the imports that type checkers follow.
    package = griffe.load("symdiff", search_paths=[ROOT], resolve_aliases=True)
    return {str(name): _described(_meant(package[str(name)])) for name in sorted(package.exports or [])}


def _meant(value: griffe.Object | griffe.Alias) -> griffe.Object | griffe.Alias:
    """The function `decompose`, which griffe takes for the module of that name that it is imported from."""
    return value.members.get(value.name, value) if value.is_module else value


def _described(value: griffe.Object | griffe.Alias) -> dict[str, object]:
    found: dict[str, object] = {"kind": value.kind.value}
    if value.is_class:
        found["bases"] = [str(base) for base in value.bases]
        members = [m for m in value.members.values() if not m.name.startswith("_") or m.name == "__init__"]
        found["members"] = {member.name: _signature(member) for member in sorted(members, key=lambda m: m.name)}
    else:
        found["signature"] = _signature(value)
    return found


def _signature(value: griffe.Object | griffe.Alias) -> str:
    if value.is_function:
        shown = [_parameter(parameter) for parameter in value.parameters]
        return f"({', '.join(shown)}) -> {value.returns}"
    if value.is_attribute:
        labels = " property" if "property" in value.labels else ""
        return f"{value.annotation or value.value}{labels}"
    return str(value.kind.value)


def _parameter(parameter: griffe.Parameter) -> str:
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    kind = parameter.kind
    text = f"{stars.get(kind, '') if kind else ''}{parameter.name}"
    text += f": {parameter.annotation}" if parameter.annotation else ""
    text += f" = {parameter.default}" if parameter.default is not None and kind not in stars else ""
    return text + (" [keyword]" if kind is griffe.ParameterKind.keyword_only else "")


def text() -> str:
    """The snapshot, one member a line."""
    return json.dumps(public_api(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(text(), encoding="utf-8")
