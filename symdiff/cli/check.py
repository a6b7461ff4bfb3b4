"""`symdiff plugins check`: every law of a group on the families of an installed plugin, and a miniature analysis."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import BrokenLawError, BrokenRunError, UsageError

if TYPE_CHECKING:
    from symdiff.miniature import Miniature
    from symdiff.testing.checking import Checked


def check(
    name: Annotated[str, typer.Argument(help="Of a plugin or of a group family.")],
    shape: Annotated[
        str | None,
        typer.Option(metavar="C,H,W", help="Shape of the images the group acts on; default: the family's own."),
    ] = None,
    latent: Annotated[
        int | None, typer.Option(help="Latent dimension of the models; default: the family's own.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="Option of the family; FAMILY.KEY=VALUE of several."),
    ] = None,
    analysis: Annotated[bool, typer.Option(help="Also run a miniature analysis, where all laws hold.")] = True,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Test every law on a plugin's families and run a miniature analysis with it; exit code 1 if one fails."""
    from symdiff.miniature import analyze_in_miniature
    from symdiff.options import parse_pairs
    from symdiff.testing.checking import check_plugin, families

    names = [family.name for family in families(name)]
    candidates = parse_pairs(option, names) if option and names else {}
    given = {family: {key: values[-1] for key, values in keys.items()} for family, keys in candidates.items()}
    size = None if shape is None else _shape(shape)
    checked = check_plugin(name, size, given, latent)
    failed = [item for item in checked if item.outcome == "failed"]
    analysed = analyze_in_miniature(name, size, given, latent) if analysis and not failed else ()
    stopped = [item for item in analysed if item.outcome == "failed"]
    document = {
        "schema": "symdiff.plugin-check/1",
        "name": name,
        "status": "failed" if failed or stopped else "passed",
        "families": [
            {
                "name": family,
                "laws": [
                    {"law": item.law, "outcome": item.outcome, "message": item.message}
                    for item in checked
                    if item.family == family
                ],
            }
            for family in names
        ],
        "analyses": [asdict(item) for item in analysed],
    }
    failure: BrokenLawError | BrokenRunError | None = None
    if failed:
        laws = ", ".join(dict.fromkeys(item.law for item in failed))
        failure = BrokenLawError(f"plugin {name!r} fails {len(failed)} of {len(checked)} laws: {laws}")
    elif stopped:
        causes = "; ".join(dict.fromkeys(item.message for item in stopped))
        failure = BrokenRunError(f"a miniature analysis with plugin {name!r} failed: {causes}")
    return Outcome(document, _text(name, names, checked, analysed), failure)


def _shape(text: str) -> tuple[int, int, int]:
    try:
        c, h, w = (int(part) for part in text.split(","))
    except ValueError:
        c, h, w = 0, 0, 0
    if min(c, h, w) < 1:
        raise UsageError(f"--shape is {text!r}, not C,H,W", "for example: --shape 3,32,32")
    return c, h, w


def _text(name: str, names: list[str], checked: tuple[Checked, ...], analysed: tuple[Miniature, ...]) -> str:
    lines = []
    if not names:
        lines = [f"plugin {name} loads; it provides no group family, so that there is no law to check"]
    for family in names:
        own = [item for item in checked if item.family == family]
        counts = {kind: sum(item.outcome == kind for item in own) for kind in ("passed", "failed", "skipped")}
        lines.append(
            f"group family {family}: {counts['passed']} laws hold, {counts['failed']} do not, "
            f"{counts['skipped']} do not apply"
        )
        for item in own:
            if item.outcome != "passed":
                first, *rest = item.message.splitlines() or [""]
                lines.append(f"  {item.outcome:7}  {item.law}: {first}")
                lines += [f"           {line}" for line in rest]
    for run in analysed:
        went = "goes through" if run.outcome == "passed" else f"fails: {run.message}"
        lines.append(f"a miniature analysis of {run.model} with group {run.group} {went}")
    return "\n".join(lines)
