"""`symdiff compare`: runs beside a first one, in the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome
from symdiff.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from symdiff.batch.comparing import Compared, Side

SCHEMA = "symdiff.run-comparison/1"


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Run directories; a study stands for its rows, STUDY:EXPR for some."),
    ],
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Outcome:
    """Show how the diagnostics of runs differ from those of the first, and how sure it is that they are better.

    A row of a study is the runs that differ only by their seed: their spread says how sure a difference is, where
    single runs have their own intervals.
    """
    from symdiff.batch.comparing import compare_sides, read_sides, told_apart, warnings

    found = [(side, text) for text in runs for side in read_sides(text)]
    sides = told_apart([side for side, _ in found], [text for _, text in found])
    if len(sides) < 2:
        raise UsageError(f"there is one thing to compare: {sides[0].name}", "give two runs, or a study of several rows")
    compared, told = compare_sides(sides), warnings(sides)
    return Outcome(_document(sides, compared, told), _drawn(sides, compared, told))


def _document(sides: list[Side], compared: list[Compared], told: list[str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "reference": sides[0].name,
        "runs": [
            {
                "name": side.name,
                "model": side.first.model,
                "group": side.first.group,
                "seeds": list(side.results),
                "structured": [result.verdict.structured for result in side.results.values()],
                "settings": dict(side.settings),
            }
            for side in sides
        ],
        "warnings": told,
        "diagnostics": [
            {
                "name": item.name,
                "better": item.better,
                "values": [
                    {"value": value, "interval": interval, "caution": caution}
                    for (value, interval), caution in zip(item.values, item.cautions, strict=True)
                ],
                "differences": [_difference(item, index) for index in range(len(sides))],
            }
            for item in compared
        ],
    }


def _difference(item: Compared, index: int) -> dict[str, Any] | None:
    contrast = item.contrasts[index]
    if contrast is None:
        return None
    return {
        "difference": contrast.difference,
        "standard_error": contrast.standard_error,
        "degrees_of_freedom": None if math.isinf(contrast.freedom) else contrast.freedom,
        "how": contrast.how,
        "n": contrast.n,
        "probability_better": _probability(item, index),
    }


def _probability(item: Compared, index: int) -> float | None:
    contrast = item.contrasts[index]
    return None if contrast is None else contrast.probability_better("lower" if item.better == "lower" else "higher")


def _drawn(sides: list[Side], compared: list[Compared], told: list[str]) -> Any:
    from rich.console import Group
    from rich.table import Column, Table

    from symdiff.batch.comparing import cautions

    letters = [chr(ord("A") + index) if index < 26 else f"#{index + 1}" for index in range(len(sides))]
    tables: list[Any] = []
    for index, letter in enumerate(letters[1:], 1):  # one below the other: side by side they outgrow a terminal
        heads = (letters[0], letter, f"{letter} − {letters[0]}", "± s.e.", "P(better)")
        columns = (Column(head, justify="right", no_wrap=True) for head in heads)
        table = Table(Column("diagnostic", no_wrap=True), *columns, box=None, pad_edge=False)
        for item in compared:
            arrow = "↓" if item.better == "lower" else "↑"
            table.add_row(f"{item.name} {arrow}", _value(item, 0), _value(item, index), *_contrast(item, index))
        tables += [table, ""]
    legend = [
        f"{letter}: {side.name}" + (f", {len(side.results)} seeds" if len(side.results) > 1 else "")
        for letter, side in zip(letters, sides, strict=True)
    ]
    told_of = [f"! {_figures(named)}: {sentence}" for sentence, named in cautions(letters, compared).items()]
    kinds = {contrast.how for item in compared for contrast in item.contrasts if contrast is not None}
    ways = {
        "paired": "standard errors over paired seeds, Student's t",
        "welch": "standard errors over the seeds of each, Welch's t",
        "intervals": "standard errors from the runs' own intervals, taken as normal and independent",
        "none": "no standard error where a figure has no interval, or one seed",
    }
    notes = [text for how, text in ways.items() if how in kinds]
    empty = [] if compared else ["no diagnostic is in both"]
    return Group(*legend, "", *tables, *empty, *told_of, *(f"warning: {text}" for text in told), *notes)


def _figures(named: Mapping[str, list[str]]) -> str:
    """Return ``prediction_error, faithfulness (A, B); action_energy (A)``."""
    by_sides: dict[str, list[str]] = {}
    for figure, letters in named.items():
        by_sides.setdefault(", ".join(letters), []).append(figure)
    return "; ".join(f"{', '.join(figures)} ({letters})" for letters, figures in by_sides.items())


def _value(item: Compared, index: int) -> str:
    value = item.values[index][0]
    return _number(value) + (" !" if item.cautions[index] else "")


def _contrast(item: Compared, index: int) -> tuple[str, str, str]:
    contrast = item.contrasts[index]
    if contrast is None:
        return "-", "-", "-"
    chance = _probability(item, index)
    return f"{contrast.difference:+.3g}", _number(contrast.standard_error), "-" if chance is None else f"{chance:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
