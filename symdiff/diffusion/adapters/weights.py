"""Reading weights without running anything they bring along."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from symdiff.errors import ModelError

NESTED = ("state_dict", "model_state_dict", "model")
"""Where training scripts commonly put the weights inside a checkpoint."""


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Parameters
    ----------
    path
        A ``.safetensors`` file, or one that `torch.save` wrote from a state dictionary, alone or under
        ``"state_dict"``, ``"model_state_dict"`` or ``"model"``. Of the latter only tensors and plain data are read
        (``weights_only=True``): a pickle that would run code is refused.

    Raises
    ------
    ModelError
        The file is missing, damaged, holds no tensors, or would run code when read.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelError(f"there is no file of weights {file}", f"relative paths start at {Path.cwd()}")
    content = _safetensors(file) if file.suffix == ".safetensors" else _pickle(file)
    for name in NESTED:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not content or not all(isinstance(item, Tensor) for item in content.values()):
        found = f"a {type(content).__name__}"
        found += f" of {', '.join(map(str, content))}"[:80] if isinstance(content, dict) else ""
        raise ModelError(f"{file} holds {found}, no weights", "save them with torch.save(network.state_dict(), file)")
    return {str(name): tensor for name, tensor in content.items()}


def _safetensors(file: Path) -> object:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error


def _pickle(file: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols, which says nothing of the content
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ModelError(
            f"{file} is refused: it holds more than tensors and plain data, and reading it would run code"
            + (f" ({code[1]})" if code else ""),
            "save the weights alone, torch.save(network.state_dict(), file), or as safetensors",
        ) from error
    except (OSError, EOFError, ValueError, RuntimeError, KeyError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:160]
    return ModelError(
        f"cannot read the weights {file}: {type(error).__name__}: {reason}", "the file is damaged: copy it again"
    )
