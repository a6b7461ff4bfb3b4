"""From the name given to ``--device`` to a device that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.errors import DeviceError

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` is the first CUDA device, or the CPU if there is none.

    Raises
    ------
    DeviceError
        The device does not exist or is not on this machine.
    """
    import torch

    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind != "cuda" or (index and not index.isdigit()):
        raise DeviceError(f"there is no device {name!r}", "use auto, cpu, cuda or cuda:N")
    if not cuda:
        raise DeviceError(
            f"--device {name} was asked for, but torch {torch.__version__} sees no CUDA device",
            "use --device cpu, or install a CUDA build of torch; `symdiff doctor` shows what is there",
        )
    count = torch.cuda.device_count()
    if index and int(index) >= count:
        raise DeviceError(
            f"--device {name} was asked for, but there are {count} CUDA devices", "they count from cuda:0"
        )
    return torch.device(name)
