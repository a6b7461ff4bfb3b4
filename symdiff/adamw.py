"""torch's AdamW without its compiler, which the methods of every optimiser of torch import before they do anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, whose methods are called as they are written.

    torch wraps them so that ``torch.compile`` leaves them alone, and to do so imports ``torch._dynamo``: more than a
    second, for nothing where nothing is compiled. Steps, state and its layout are those of torch, whose code it is.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        inspect.unwrap(torch.optim.AdamW.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """See `torch.optim.Optimizer`."""
        inspect.unwrap(torch.optim.AdamW.zero_grad)(self, set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """See `torch.optim.Optimizer`."""
        state: dict[str, Any] = inspect.unwrap(torch.optim.AdamW.state_dict)(self)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        inspect.unwrap(torch.optim.AdamW.load_state_dict)(self, state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """See `torch.optim.AdamW`."""
        loss: float | None = inspect.unwrap(torch.optim.AdamW.step)(self, closure)
        return loss
