"""torch's AdamW with little around its arithmetic: on networks of a few thousand weights the rest takes longer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, whose methods are called as they are written; on the CPU the fused step with less ado.

    torch wraps them so that ``torch.compile`` leaves them alone, and to do so imports ``torch._dynamo``: more than a
    second, for nothing where nothing is compiled. Steps, state and its layout are those of torch, whose code it is.
    On the CPU the lists that torch makes in every fused step are kept.
    """

    _lists: dict[int, _Lists]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lists = {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        inspect.unwrap(torch.optim.AdamW.add_param_group)(self, param_group)
        self._lists = {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """See `torch.optim.Optimizer`."""
        if not set_to_none:
            inspect.unwrap(torch.optim.AdamW.zero_grad)(self, set_to_none)
            return
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """See `torch.optim.Optimizer`."""
        state: dict[str, Any] = inspect.unwrap(torch.optim.AdamW.state_dict)(self)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer`."""
        inspect.unwrap(torch.optim.AdamW.load_state_dict)(self, state_dict)
        self._lists = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """See `torch.optim.AdamW`."""
        if closure is None and self._is_plain_on_the_cpu():
            for i, group in enumerate(self.param_groups):
                self._step_of(i, group)
            return None
        self._lists = {}
        loss: float | None = inspect.unwrap(torch.optim.AdamW.step)(self, closure)
        return loss

    def _is_plain_on_the_cpu(self) -> bool:
        asked = [g["fused"] and not (g["amsgrad"] or g["capturable"] or g["differentiable"]) for g in self.param_groups]
        places = {p.device.type for group in self.param_groups for p in group["params"]}
        return all(asked) and places == {"cpu"} and getattr(self, "found_inf", None) is None

    def _step_of(self, i: int, group: dict[str, Any]) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        lists = self._lists.get(i)
        if lists is None or not _same(lists.parameters, parameters):
            lists = self._lists[i] = self._gather(group)
        torch._foreach_add_(lists.steps, 1)
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            parameters, [p.grad for p in parameters], lists.means, lists.squares, [], lists.steps,
            amsgrad=False, lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"],
            eps=group["eps"], maximize=group["maximize"],
            grad_scale=getattr(self, "grad_scale", None), found_inf=None,
        )  # fmt: skip

    def _gather(self, group: dict[str, Any]) -> _Lists:
        """The state of the parameters with a gradient, made where there is none."""
        parameters: list[Tensor] = []
        state: tuple[list[Tensor], ...] = ([], [], [], [])
        means, squares, _, steps = state
        self._init_group(group, parameters, [], *state)  # type: ignore[no-untyped-call]
        return _Lists(parameters, means, squares, steps)


class _Lists(NamedTuple):
    """What a step of a group needs: the state of its parameters."""

    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
