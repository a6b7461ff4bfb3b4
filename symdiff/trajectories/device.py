"""Which device to compute on."""

from __future__ import annotations

import torch

from symdiff.errors import DeviceError


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The device of this name; ``"auto"`` is CUDA where there is one, else the CPU.

    Raises
    ------
    DeviceError
        The name is unknown or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"there is no device {str(name)!r}", "choose auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise DeviceError(f"device {str(name)!r} is not there: {count} CUDA devices found", "use --device auto")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(f"device {str(name)!r} is not there", "use --device auto")
    return device
