"""Runs, or rows of a study, beside a first one: differences, their standard errors, and how sure it is they are better.

Here stands what may be compared with what; how a difference is judged is `symdiff.report.contrasts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from symdiff.batch.differences import RECORDED_BY, on_same_trajectories
from symdiff.batch.merging import LEVEL, Finding, merge, over_seeds
from symdiff.batch.pages import Pages
from symdiff.batch.recorded import is_study, read_recorded
from symdiff.batch.selection import select, spelled
from symdiff.errors import IncomparableError, UsageError
from symdiff.report.contrasts import Contrast, of_intervals
from symdiff.report.contrasts import over_seeds as seeds_apart
from symdiff.result import Estimate, Result, load_result


@dataclass(frozen=True)
class Side:
    """One column: a run, or the runs of a row of a study, by seed.

    Attributes
    ----------
    name
        What it is called.
    results
        The results by seed; of a single run there is one.
    settings
        What is the same in all of them, flat.
    """

    name: str
    results: Mapping[int, Result]
    settings: Mapping[str, Any]

    @property
    def first(self) -> Result:
        """A result that stands for all where they agree."""
        return next(iter(self.results.values()))

    def values(self, name: str) -> dict[int, float]:
        """Return a diagnostic by seed, where there is one."""
        return {seed: at for seed, result in self.results.items() if (at := _value(result, name)) is not None}

    def mean(self, name: str) -> tuple[float | None, tuple[float | None, float | None] | None]:
        """Return the value of a diagnostic and its interval: of a run its own, of several seeds Student's t."""
        found = self.values(name)
        if not found:
            return None, None
        if len(self.results) == 1:
            return found[next(iter(found))], self.first.diagnostics[name].interval
        figure = over_seeds(name, [Finding.of(result) for result in self.results.values()])
        return (fmean(found.values()), None if figure is None else figure.interval)


@dataclass(frozen=True)
class Compared:
    """A diagnostic over all sides; `contrasts` are those to the first side, ``None`` where a value is missing."""

    name: str
    better: str
    values: tuple[tuple[float | None, tuple[float | None, float | None] | None], ...]
    contrasts: tuple[Contrast | None, ...]
    cautions: tuple[str | None, ...]


def read_sides(text: str) -> list[Side]:
    """Return what one argument stands for: a run directory, all rows of a study, or those of ``STUDY:EXPRESSION``.

    Raises
    ------
    UsageError
        It is none of them, the expression leaves no run, or no run of a row is done.
    RefusedError
        A result cannot be read.
    """
    path = Path(text)
    if is_study(path):
        return _rows(path, None, text)
    start, colon, expression = text.partition(":")
    if colon and not path.exists() and is_study(Path(start)):
        return _rows(Path(start), expression, text)
    result = load_result(path)
    return [Side(text, {int(result.config.get("seed", 0)): result}, _flat(result))]


def told_apart(sides: Sequence[Side], origins: Sequence[str]) -> list[Side]:
    """Return the sides under names no two of which are the same unless they come from the same argument twice.

    Parameters
    ----------
    sides
        All sides.
    origins
        For each the argument it comes from.
    """
    names = [side.name for side in sides]
    return [
        replace(side, name=f"{side.name} of {origin}") if names.count(side.name) > 1 and side.name != origin else side
        for side, origin in zip(sides, origins, strict=True)
    ]


def cautions(sides: Sequence[str], compared: Sequence[Compared]) -> dict[str, dict[str, list[str]]]:
    """Return for each caution the figures it is about, and for each of these the sides, of those named `sides`.

    A caution of a figure is several sentences joined by ``;``, many of which are those of other figures.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for item in compared:
        for side, caution in zip(sides, item.cautions, strict=True):
            for sentence in filter(None, (caution or "").split("; ")):
                named = found.setdefault(sentence, {}).setdefault(item.name, [])
                named += [] if side in named else [side]
    return found


def compare_sides(sides: Sequence[Side]) -> list[Compared]:
    """Return every diagnostic that the first side and another one have, in the order of the first.

    Raises
    ------
    IncomparableError
        Another model, intervals of another level, or another direction of better.
    """
    reference = sides[0]
    for side in sides[1:]:
        _refuse(side, reference)
    return [
        _compared(name, sides)
        for name in reference.first.diagnostics
        if any(name in side.first.diagnostics for side in sides[1:])
    ]


def warnings(sides: Sequence[Side]) -> list[str]:
    """Return in words what is to be kept in mind beside the figures."""
    reference, told = sides[0], []
    for side in sides[1:]:
        keys = [key for key in RECORDED_BY if side.settings.get(key) != reference.settings.get(key)]
        if keys:
            what = ", ".join(f"{key} {_say(side, key)} against {_say(reference, key)}" for key in keys)
            told.append(f"{side.name} is on other trajectories than {reference.name}: {what}")
        seeds = list(side.results), list(reference.results)
        if len(seeds[0]) == len(seeds[1]) == 1 and seeds[0] != seeds[1]:
            told.append(
                f"{side.name} has seed {seeds[0][0]} and {reference.name} seed {seeds[1][0]}: chance differs, too"
            )
        versions = {side.first.symdiff_version, reference.first.symdiff_version}
        if len(versions) > 1:
            told.append(f"{side.name} and {reference.name} are of different versions: {', '.join(sorted(versions))}")
        if (len(side.results) == 1) != (len(reference.results) == 1):
            told.append(f"{side.name} and {reference.name}: one run beside several seeds has no standard error")
        statuses = {result.status for result in side.results.values()} - {"done"}
        if statuses:
            told.append(f"{side.name} holds a result that is {', '.join(sorted(statuses))}")
    return told


def _rows(path: Path, expression: str | None, text: str) -> list[Side]:
    recorded = read_recorded(path)
    chosen = set(select(expression, recorded.study.runs, recorded.records, f"{text}:"))
    pages = Pages(recorded)
    sides = []
    for row in merge(recorded.study, recorded.records, pages.findings()):
        runs = [run for run in row.runs if run.run_id in chosen]
        done = [run for run in runs if recorded.records[run.run_id].state == "done"]
        if done:
            results = {run.config.seed: load_result(recorded.run_directory(run)) for run in done}
            settings = {key: value for key, value in done[0].settings.items() if key != "seed"}
            name = " ".join([row.model, row.group, *(f"{key}={value}" for key, value in row.settings.items())])
            if len(results) == 1 and len(row.runs) > 1:  # else two of its seeds would have one name
                name += f" seed={next(iter(results))}"
            sides.append(Side(name, results, settings))
    if not sides:
        raise UsageError(f"no run of {path} that is chosen is done", "`symdiff batch status` shows how they stand")
    return sides


def _refuse(side: Side, reference: Side) -> None:
    for key in ("model", "model_digest"):
        here, there = side.settings.get(key), reference.settings.get(key)
        if here != there:
            raise IncomparableError(
                f"{side.name} has another model than {reference.name}: {key} {here}, not {there}",
                "compare runs of one model; of a study choose them: STUDY:model=NAME",
            )
    for name, one in side.first.diagnostics.items():
        other = reference.first.diagnostics.get(name)
        if other is None:
            continue
        if one.better != other.better:
            raise IncomparableError(
                f"{name}: better is {one.better} in {side.name} and {other.better} in {reference.name}",
                "they are of versions that measure something else under this name",
            )
        if one.interval is not None and other.interval is not None and one.level != other.level:
            raise IncomparableError(
                f"{name}: the interval of {side.name} is at level {one.level:g}, that of {reference.name} at "
                f"{other.level:g}",
                "compute one of them again with `symdiff analyze --rescore`",
            )


def _compared(name: str, sides: Sequence[Side]) -> Compared:
    reference = sides[0]
    estimates = [side.first.diagnostics.get(name) for side in sides]
    return Compared(
        name,
        reference.first.diagnostics[name].better,
        tuple(side.mean(name) for side in sides),
        tuple(None if index == 0 else _contrast(name, side, reference) for index, side in enumerate(sides)),
        tuple(_caution(name, side, estimate) for side, estimate in zip(sides, estimates, strict=True)),
    )


def _contrast(name: str, side: Side, reference: Side) -> Contrast | None:
    here, there = side.values(name), reference.values(name)
    if not here or not there:
        return None
    if len(side.results) == len(reference.results) == 1:
        one, other = side.first.diagnostics[name], reference.first.diagnostics[name]
        [value], [base] = here.values(), there.values()
        return of_intervals(value, one.interval, base, other.interval, one.level if one.interval else LEVEL)
    return seeds_apart(here, there, pair=on_same_trajectories(side.settings, reference.settings))


def _caution(name: str, side: Side, estimate: Estimate | None) -> str | None:
    if len(side.results) == 1:
        return None if estimate is None else estimate.caution
    told = [item.caution for result in side.results.values() if (item := result.diagnostics.get(name)) is not None]
    warned = [caution for caution in told if caution]
    if not warned:
        return None
    return "; ".join(f"{len(warned)} of {len(told)} runs: {sentence}" for sentence in warned[0].split("; "))


def _flat(result: Result) -> dict[str, Any]:
    """Return the settings of a run as a study has them; the model stands in the result, too."""
    options = result.config.get("options") or {}
    flat = {key: value for key, value in result.config.items() if key not in ("options", "seed", "device")}
    return flat | {"model": result.model} | {f"{result.group}.{key}": value for key, value in options.items()}


def _value(result: Result, name: str) -> float | None:
    estimate = result.diagnostics.get(name)
    return None if estimate is None else estimate.value


def _say(side: Side, key: str) -> str:
    value = side.settings.get(key)
    return "none" if value is None else spelled(value)
