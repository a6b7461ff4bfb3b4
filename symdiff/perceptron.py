"""Perceptrons as one operation, with the derivative written out.

A step of training is many small products. Between them automatic differentiation writes a new tensor for every
activation and every derivative of one, each as large as the product and by then out of the cache; here activations and
their derivatives are taken in place, right after the product. On other devices layers are taken one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Activation = Literal["silu", "relu"]

_THIN = 16
"""A product with fewer rows or columns is several times slower where its thin side is not the rows in memory."""

_one_by_one: ContextVar[bool] = ContextVar("layer by layer", default=False)


@contextmanager
def layer_by_layer() -> Iterator[None]:
    """Within it, a perceptron is its layers one after the other: what the written-out form is compared with."""
    token = _one_by_one.set(True)
    try:
        yield
    finally:
        _one_by_one.reset(token)


def at_once(x: Tensor) -> bool:
    """Whether the networks of `x` are computed as one operation; autocast knows the types of single layers only."""
    return x.device.type == "cpu" and not _one_by_one.get() and not torch.is_autocast_enabled("cpu")


class Perceptron(nn.Sequential):
    """Linear layers with an activation between them; `nn.Sequential` of the same layers in all but speed.

    Parameters
    ----------
    widths
        Of inputs, hidden layers and outputs.
    activation
        ``silu`` or ``relu``.
    """

    def __init__(self, *widths: int, activation: Activation = "silu") -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.SiLU() if activation == "silu" else nn.ReLU()]
        super().__init__(*layers[:-1])
        self.activation: Activation = activation

    def forward(self, x: Float[Tensor, "*batch i"]) -> Float[Tensor, "*batch o"]:
        """Outputs; the same numbers as layer by layer."""
        if not at_once(x):
            layered: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return layered
        parameters = []
        for layer in self:
            if isinstance(layer, nn.Linear):
                parameters += [layer.weight.t(), layer.bias]
        outputs: Tensor = _Perceptron.apply(x.reshape(-1, x.shape[-1]), self.activation, *parameters)  # type: ignore[no-untyped-call]
        return outputs.reshape(*x.shape[:-1], outputs.shape[-1])


def many_perceptrons(
    x: Float[Tensor, "n i"], layers: Sequence[tuple[Float[Tensor, "k _ _"], Float[Tensor, "k 1 _"]]]
) -> Float[Tensor, "k n o"]:
    """Outputs of k perceptrons of rectifiers on the same inputs; a layer of all is weights ``[k, in, out]``."""
    tensors = [tensor for layer in layers for tensor in layer]
    outputs: Tensor = _Perceptron.apply(x.expand(len(tensors[0]), *x.shape), "relu", *tensors)  # type: ignore[no-untyped-call]
    return outputs


class _Perceptron(torch.autograd.Function):
    """Inputs ``[n, i]``, weights ``[in, out]``, biases ``[out]``; or of k networks, biases ``[k, 1, out]``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        kept = [x]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = torch.addmm(bias, x, weight) if x.dim() == 2 else torch.baddbmm(bias, x, weight)
            if activation == "silu":
                kept.append(x)
                x = nn.functional.silu(x)
            else:
                x.relu_()
            kept.append(x)
        ctx.activation = activation
        ctx.save_for_backward(*weights, *biases, *kept)
        return _product(x, weights[-1]).add_(biases[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad
        depth = len(needs) // 2 - 1
        weights, biases, kept = (ctx.saved_tensors[i:j] for i, j in ((0, depth), (depth, 2 * depth), (2 * depth, None)))
        if torch.is_grad_enabled():  # a second derivative may be asked for: in place none is recorded
            return _differentiably(gradient, kept[0], weights, biases, ctx.activation, needs)
        each = 2 if ctx.activation == "silu" else 1
        found: list[Tensor | None] = [None] * (2 * depth)
        for i in reversed(range(depth)):
            x = kept[each * i]
            if needs[2 + 2 * i]:
                found[2 * i] = _outer(x, gradient, weights[i])
            if needs[3 + 2 * i]:
                found[2 * i + 1] = gradient.sum(-2, keepdim=gradient.dim() == 3)
            if i == 0:
                break
            gradient = gradient @ weights[i].mT
            if ctx.activation == "silu":
                torch.ops.aten.silu_backward.grad_input(gradient, kept[each * i - 1], grad_input=gradient)
            else:
                torch.ops.aten.threshold_backward.grad_input(gradient, x, 0, grad_input=gradient)
        return (_product(gradient, weights[0].mT) if needs[0] else None), None, *found


def _differentiably(
    gradient: Tensor,
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activation: Activation,
    needs: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """The gradients, by automatic differentiation of the layers."""
    inputs = [x, *(tensor for layer in zip(weights, biases, strict=True) for tensor in layer)]
    outputs = x
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        outputs = outputs @ weight + bias
        if i < len(weights) - 1:
            outputs = nn.functional.silu(outputs) if activation == "silu" else outputs.relu()
    asked = [need for i, need in enumerate(needs) if i != 1]  # the activation is no tensor
    wanted = [tensor for tensor, need in zip(inputs, asked, strict=True) if need]
    found = iter(torch.autograd.grad(outputs, wanted, gradient, create_graph=True))
    of_x, *of_parameters = (next(found) if need else None for need in asked)
    return of_x, None, *of_parameters


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """``x weight``; of few columns, with them as rows."""
    return x @ weight if weight.shape[-1] >= _THIN else (weight.mT.contiguous() @ x.mT).mT


def _outer(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """``x^T gradient``, of the shape of `weight` and laid out as it is; a thin one with its thin side as rows."""
    inputs, outputs = weight.shape[-2:]
    flipped = inputs > outputs if min(inputs, outputs) < _THIN else weight.stride(-1) != 1
    return (gradient.mT @ x).mT if flipped else x.mT @ gradient
