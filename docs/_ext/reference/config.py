"""Every key of a configuration: the flags of a run, the options of each family, the tables of a study."""

from __future__ import annotations

from importlib import import_module

from pydantic import BaseModel

from reference.table import code, fields, table
from symdiff.batch.study import FLAGS as STUDY_FLAGS
from symdiff.batch.study import WITHOUT_EFFECT, Head
from symdiff.config import RunConfig
from symdiff.settings import OTHER_VARIABLES, PREFIX, Settings

HEAD = ["key", "type", "default", "meaning"]

MEANINGS = {
    "group": "The group family; several make several runs.",
    "options": "`[options] key = value` with one group, `[options.FAMILY]` with several.",
    "out": "The directory the runs are written to; default: `runs/<run id>`.",
    "force": "Overwrite what the directory holds.",
    "rescore": "Compute the diagnostics of a finished run again.",
    "fail_on": "Conditions under which a finished run counts as failed.",
}
"""Keys of a file that are none of a run, or another thing there; the model says nothing of them."""

VARIABLES = {
    "CACHE": "where recordings are kept",
    "LOAD_PLUGINS": "only these plugins are loaded",
    "DISABLE_PLUGINS": "these plugins are not loaded",
    "STRICT_PLUGINS": "1: a broken or incompatible plugin is an error",
}

OPTIONS = {
    "actions": "symdiff_actions.options:ActionsOptions",
    "affine": "symdiff_affine.options:AffineOptions",
    "escnn": "symdiff_escnn.options:EscnnOptions",
    "geomstats": "symdiff_geomstats.options:GeomstatsOptions",
}
"""The families of this repository; `symdiff plugins show NAME` says the same of any other."""


def family_options() -> dict[str, type[BaseModel]]:
    """The options of each family by its name."""
    parts = {family: place.split(":") for family, place in OPTIONS.items()}
    return {family: getattr(import_module(module), name) for family, (module, name) in parts.items()}


def flags() -> str:
    """Settings of a file, of the environment and of `RunConfig`."""
    shared = [(*row[:3], row[3] or MEANINGS.get(row[0].strip("`"), "")) for row in fields(Settings)]
    run = [row for row in fields(RunConfig) if row[0].strip("`") not in Settings.model_fields]
    group = [row for row in fields(RunConfig) if row[0] in ("`group`", "`options`")]
    variables = [(code(PREFIX + name), VARIABLES[name]) for name in OTHER_VARIABLES]
    return (
        "## Keys of a file, flags, variables\n\n"
        "A key is the flag without its dashes and with `_` for `-`; as a variable it is `SYMDIFF_` and the key in "
        f"capitals.\n\n{table(HEAD, shared)}\n"
        f"## symdiff.RunConfig\n\n`RunConfig` has the keys of one run. Beside those above, `out` to `fail_on` excepted:"
        f"\n\n{table(HEAD, [*group, *run])}\n"
        f"## Further variables\n\n{table(['variable', 'meaning'], variables)}"
    )


def options() -> str:
    """A section a family."""
    return "\n".join(f"## Options of {name}\n\n{table(HEAD, fields(kind))}" for name, kind in family_options().items())


def study() -> str:
    """The tables of a study file."""
    swept = [flag for flag in STUDY_FLAGS if flag not in WITHOUT_EFFECT]
    rows = [
        ("`[study]`", ", ".join(code(name) for name in Head.model_fields), "The name of the study and of its folder."),
        ("`[defaults]`", ", ".join(map(code, STUDY_FLAGS)), "One value a key, for every run."),
        ("`[defaults.options.FAMILY]`", "the options of the family", "One value a key, for runs of that family."),
        ("`[matrix]`", ", ".join(map(code, swept)), "A list a key; the lists are multiplied out."),
        ("`[matrix.options.FAMILY]`", "the options of the family", "A list a key, for runs of that family."),
    ]
    return table(["table", "keys", "meaning"], rows)
