"""Which runs of a study: ``model=gaussian,seed!=0,affine.rho=lie*``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from symdiff.batch.directory import Record
from symdiff.batch.study import Run
from symdiff.errors import UsageError
from symdiff.nearest import did_you_mean


def select(
    expression: str | None, runs: Iterable[Run], records: Mapping[str, Record], asked: str = "--only"
) -> list[str]:
    """Return the ids of the runs that meet every condition of `expression`; of all if there is none.

    Parameters
    ----------
    expression
        Conditions ``key=value`` or ``key!=value`` joined by commas; a value may have ``*`` and ``?``. Keys are flags,
        options as ``family.key``, ``run_id`` and ``state``.
    runs
        The runs to choose from.
    records
        How they stand.
    asked
        Where the expression was given, for messages.

    Raises
    ------
    UsageError
        A condition has another form or an unknown key, or no run meets them all.
    """
    described = {run.run_id: _described(run, records[run.run_id]) for run in runs}
    if expression is None:
        return list(described)
    keys = {key for names in described.values() for key in names}
    conditions = [_condition(text, keys, asked) for text in expression.split(",")]
    found = [
        run_id
        for run_id, names in described.items()
        if all((key in names and fnmatchcase(names[key], value)) is wanted for key, value, wanted in conditions)
    ]
    if not found:
        raise UsageError(
            f"{asked} {expression!r} leaves none of the {len(described)} runs",
            "`symdiff batch run --dry-run` and the page show them",
        )
    return found


def _described(run: Run, record: Record) -> dict[str, str]:
    settings = {key: spelled(value) for key, value in run.settings.items()}
    return settings | {"run_id": run.run_id, "state": record.state}


def spelled(value: Any) -> str:
    """Return a setting as it stands in a study file: true and false, not True and False."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _condition(text: str, keys: Iterable[str], asked: str) -> tuple[str, str, bool]:
    name, equals, value = text.partition("=")
    key = name.removesuffix("!").strip()
    if not equals or not key:
        raise UsageError(f"{asked}: {text!r} is no condition", "conditions look like: model=gaussian,seed!=0")
    if key not in keys:
        hint = f"{did_you_mean(key, keys)} known: {', '.join(sorted(keys))}".strip()
        raise UsageError(f"{asked}: runs have no {key!r}", hint)
    return key, value.strip(), not name.endswith("!")
