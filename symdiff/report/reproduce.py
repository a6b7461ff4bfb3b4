"""The command that makes a run again, from its configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

_NOT_FLAGS = {
    "model", "group", "options", "out", "json", "dry_run", "force", "config", "run_id", "recording", "images",
    "model_digest", "sampler_used",
}  # fmt: skip


def command(config: Mapping[str, Any], model: str, group: str) -> str:
    """Write the ``symdiff analyze`` command line of a configuration, safe to paste into a POSIX shell.

    Parameters
    ----------
    config
        Flat mapping of flags, with a family's own options under ``options``. What is ``None``, false or
        concerns only where and how the result was written is left out.
    model, group
        The model and the group family.
    """
    words = ["symdiff", "analyze", model, "--group", group]
    options = config.get("options")
    for key, value in options.items() if isinstance(options, Mapping) else ():
        if value is not None:
            words += ["-o", f"{key}={_text(value)}"]
    for key, value in config.items():
        if key in _NOT_FLAGS or value is None or value is False or isinstance(value, Mapping):
            continue
        flag = "--" + key.replace("_", "-")
        for item in value if isinstance(value, list | tuple) else [value]:
            words += [flag] if item is True else [flag, _text(item)]
    return shlex.join(words)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
