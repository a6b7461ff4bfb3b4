"""Models that users bring: folders of the diffusers library, and denoisers made by their own code."""

from __future__ import annotations

import re

from symdiff.diffusion.denoisers.base import Denoiser
from symdiff.errors import ModelError

DIFFUSERS = "diffusers:"
PYTHON = "python:"

FORMS = "diffusers:PATH, python:MODULE:FACTORY, FILE.py:FACTORY"
"""How such models are written."""


def is_own(model: str) -> bool:
    """Whether MODEL names a user's own model, there or not."""
    return model.startswith((DIFFUSERS, PYTHON)) or re.search(r"\.py(:|$)", model) is not None


def load_own(model: str) -> Denoiser:
    """Load a user's own model.

    Parameters
    ----------
    model
        ``diffusers:PATH``, ``python:package.module:factory`` or ``FILE.py:factory``; paths start at the current
        folder.

    Raises
    ------
    ModelError
        It is not there, not whole, not supported, or its code fails.
    """
    if model.startswith(DIFFUSERS):
        from symdiff.diffusion.adapters.folder import read_folder
        from symdiff.diffusion.adapters.hub import model_folder
        from symdiff.diffusion.adapters.pipeline import load_pipeline

        return load_pipeline(read_folder(model_folder(model.removeprefix(DIFFUSERS))))
    from symdiff.diffusion.adapters.code import denoiser_of_file, denoiser_of_module

    place, _, factory = model.removeprefix(PYTHON).rpartition(":")
    if not place or not factory.isidentifier():
        form = "python:package.module:factory" if model.startswith(PYTHON) else "FILE.py:factory"
        raise ModelError(f"model {model!r} does not name the function that makes it", f"write {form}")
    return denoiser_of_module(place, factory) if model.startswith(PYTHON) else denoiser_of_file(place, factory)


def digest_of_own(model: str) -> str:
    """The digest of a user's own model; quick where its files tell, else it is loaded.

    Raises
    ------
    ModelError
        As `load_own`.
    """
    if not model.startswith(DIFFUSERS):
        return load_own(model).digest
    from symdiff.diffusion.adapters.folder import read_folder
    from symdiff.diffusion.adapters.hub import model_folder

    return read_folder(model_folder(model.removeprefix(DIFFUSERS))).digest
