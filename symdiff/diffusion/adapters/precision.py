"""A network in the precision it is asked in."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad


class Precisions:
    """A network in single precision, and its copy in double precision from the first time that one is asked for.

    The copy takes twice the memory of the network; a large one that is only recorded from never has it.

    Parameters
    ----------
    network
        In evaluation mode from now on, its parameters frozen; group normalisations are made differentiable in
        forward mode, which changes nothing elsewhere.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)
        self._double: nn.Module | None = None
        for module in self.network.modules():
            if isinstance(module, nn.GroupNorm):
                module.register_forward_pre_hook(_contiguous)

    def like(self, x: Tensor) -> nn.Module:
        """The network for inputs like `x`."""
        if x.dtype != torch.float64:
            return self.network
        if self._double is None:
            # Parameters cannot be cast inside a torch.func transform; a new thread is outside of all of them.
            with ThreadPoolExecutor(max_workers=1) as outside:
                self._double = outside.submit(lambda: copy.deepcopy(self.network).double()).result()
        return self._double

    def to(self, device: torch.device | str) -> None:
        """Moves both to `device`."""
        self.network.to(device)
        if self._double is not None:
            self._double.to(device)


def _contiguous(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The forward-mode derivative of group normalisation exists in one memory layout only.

    Elsewhere the layout stays as it is: another one is computed by another kernel, of other rounding.
    """
    del module
    if forward_ad.unpack_dual(inputs[0]).tangent is None:
        return None
    return (inputs[0].contiguous(), *inputs[1:])
