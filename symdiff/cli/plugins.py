"""`symdiff plugins`: which plugins there are, how they stand, and what options their families take."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.check import check
from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome

if TYPE_CHECKING:
    from symdiff.entrypoint import PluginStatus
    from symdiff.groups import GroupFamily
    from symdiff.plugins import Registry

app = typer.Typer(help="Group families and what else plugins bring.")
app.command()(check)


@app.command("list")
def list_plugins(json: Json = False, quiet: Quiet = False, verbose: Verbose = 0, debug: Debug = False) -> Outcome:
    """List every plugin with its status: ok, unavailable, broken, incompatible or disabled."""
    from symdiff.plugins import load_plugins

    registry = load_plugins()
    entries = [entry(status, _conflict(registry, status)) for status in registry.status]
    return Outcome({"schema": "symdiff.plugins/1", "plugins": entries}, _table(entries))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of a plugin or of a group family.")],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Show what a plugin provides, and the options of its families."""
    from symdiff.plugins import load_plugins

    registry = load_plugins()
    plugin = registry.plugin(name)
    document = {
        "schema": "symdiff.plugin/1",
        **entry(plugin.status, _conflict(registry, plugin.status)),
        "details": [_family(family) for family in plugin.families],
        "sources": sorted(plugin.sources),
        "diagnostics": sorted(plugin.diagnostics),
        "engines": sorted(plugin.engines),
    }
    return Outcome(document, _page(document))


def entry(status: PluginStatus, conflict: str = "") -> dict[str, Any]:
    """Return a plugin as it stands in a document."""
    fields = asdict(status)
    return {**fields, "families": list(status.families), "hint": status.hint or conflict}


def _conflict(registry: Registry, status: PluginStatus) -> str:
    for family, claimants in registry.claims().items():
        others = [str(other) for other in claimants if other is not status]
        if status in claimants and others:
            return f"group family {family!r} is also claimed by plugin {' and '.join(others)}"
    return ""


def _family(family: type[GroupFamily]) -> dict[str, Any]:
    schema = family.Options.model_json_schema()
    options = {
        key: {"type": _type(field), "default": field.get("default"), "description": field.get("description", "")}
        for key, field in schema.get("properties", {}).items()
    }
    return {"name": family.name, "summary": family.summary, "options": options}


def _type(field: dict[str, Any]) -> str:
    """Spell the type of a field of a JSON schema: ``integer >= 1``, ``lie | mlp``."""
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"])
    if "const" in field:
        return str(field["const"])
    if "anyOf" in field:
        return " | ".join(_type(choice) for choice in field["anyOf"])
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]}" for key, sign in bounds.items() if key in field]
    return " ".join([field.get("type", "any"), *limits])


def _table(entries: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("plugin", "status", "families", "from", box=None, pad_edge=False)
    for item in entries:
        families = ", ".join(item["families"]) or "-"
        table.add_row(item["name"], item["status"], families, f"{item['distribution']} {item['version']}")
        for note in filter(None, (item["cause"], item["hint"])):
            table.add_row("", "", note)
    return table


def _page(document: dict[str, Any]) -> str:
    lines = [f"{document['name']} ({document['distribution']} {document['version']}): {document['status']}"]
    lines += [document[key] for key in ("cause", "hint", "file") if document[key]]
    for family in document["details"]:
        lines += ["", f"group family {family['name']}: {family['summary']}"]
        for key, option in family["options"].items():
            lines.append(f"  -o {key}={option['default']}  ({option['type']})  {option['description']}".rstrip())
    for kind in ("sources", "diagnostics", "engines"):
        if document[kind]:
            lines += ["", f"{kind}: {', '.join(document[kind])}"]
    return "\n".join(lines)
