"""The trained models of a run in one safetensors file, ``hae.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from symdiff.errors import OutputError
from symdiff.hae import HAE

States = dict[str, dict[str, Tensor]]
"""Weights by form of rho, then by name."""


def write_models(file: Path, models: Mapping[str, HAE]) -> None:
    """Write the weights of all models, each under ``form/name``."""
    tensors = {
        f"{form}/{name}": value.detach().cpu().contiguous()
        for form, model in models.items()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, file)


def read_models(file: Path) -> States:
    """The weights `write_models` wrote.

    Raises
    ------
    OutputError
        The file is missing or damaged.
    """
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"{file} cannot be read: {error}", "run the same command with --force to train again"
        ) from None
    states: States = {}
    for key, value in tensors.items():
        form, _, name = key.partition("/")
        states.setdefault(form, {})[name] = value
    return states
