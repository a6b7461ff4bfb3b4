"""Ways in which the files of a model come to be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


def edit(file: Path, **changes: Any) -> None:
    """Change entries of a JSON file; ``None`` removes one."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def poison(file: Path) -> None:
    tensors = load_file(file)
    tensors["conv_in.bias"][0] = torch.nan
    save_file(tensors, file, {"format": "pt"})


def lose(file: Path, name: str = "conv_in.bias") -> None:
    tensors = load_file(file)
    del tensors[name]
    save_file(tensors, file, {"format": "pt"})


def grow(file: Path) -> None:
    tensors = load_file(file)
    tensors["conv_in.weight"] = torch.zeros(9, 1, 3, 3)
    save_file(tensors, file, {"format": "pt"})


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)
