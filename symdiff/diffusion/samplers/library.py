"""The optional library of schedulers, imported when one is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from symdiff.errors import MissingExtraError

INSTALL = "pip install 'symdiff-toolkit[diffusers]'"


def scheduler_class(name: str, sampler: str) -> Any:
    """The scheduler class `name` of diffusers.

    Parameters
    ----------
    name
        Of the class.
    sampler
        What needs it, for the error.

    Raises
    ------
    MissingExtraError
        The library cannot be imported.
    """
    try:
        return getattr(importlib.import_module("diffusers"), name)
    except ImportError as error:
        raise MissingExtraError(
            f"sampler {sampler} needs the library diffusers, which cannot be imported: {error}", INSTALL
        ) from error
