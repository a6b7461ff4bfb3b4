"""Perceptrons as one operation, with the derivative written out.

A step of training is many small products. Between them automatic differentiation writes a new tensor for every
activation and every derivative of one, each as large as the product and by then out of the cache; here activations and
their derivatives are taken in place, right after the product. On other devices layers are taken one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symdiff.plainly import is_plain

Activation = Literal["silu", "relu"]

_THIN = 16
"""A product with fewer rows or columns is several times slower where its thin side is not the rows in memory."""


def at_once(x: Tensor) -> bool:
    """Whether the networks of `x` are computed as one operation; autocast knows the types of single layers only."""
    return x.device.type == "cpu" and not is_plain() and not torch.is_autocast_enabled("cpu")


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
                parameters += [layer.weight, layer.bias]
        outputs: Tensor = _Perceptron.apply(x, self.activation, *parameters)  # type: ignore[no-untyped-call]
        return outputs


def many_perceptrons(
    x: Float[Tensor, "n i"], layers: Sequence[tuple[Float[Tensor, "k _ _"], Float[Tensor, "k 1 _"]]]
) -> Float[Tensor, "k n o"]:
    """Outputs of k perceptrons of rectifiers on the same inputs; a layer of all is weights ``[k, in, out]``."""
    tensors = [tensor for layer in layers for tensor in layer]
    outputs: Tensor = _Perceptron.apply(x, "relu", *tensors)  # type: ignore[no-untyped-call]
    return outputs


class _Perceptron(torch.autograd.Function):
    """Inputs ``[..., i]``, weights ``[out, in]`` as of `nn.Linear`, biases ``[out]``.

    Or of k networks on inputs ``[n, i]``: weights ``[k, in, out]``, biases ``[k, 1, out]``. Views are taken in here,
    where automatic differentiation does not follow.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation, *parameters: Tensor) -> Tensor:
        given = x, *parameters
        batch = x.shape[:-1]
        weights, biases, x = _factors(parameters[::2]), parameters[1::2], _rows(x, parameters[0])
        kept = []
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = torch.addmm(bias, x, weight) if x.dim() == 2 else torch.baddbmm(bias, x, weight)
            if activation == "silu":
                kept.append(x)
                x = nn.functional.silu(x)
            else:
                x.relu_()
            kept.append(x)
        ctx.activation = activation
        ctx.save_for_backward(*given, *kept)
        outputs = _product(x, weights[-1]).add_(biases[-1])
        return outputs if outputs.dim() == 3 else outputs.view(*batch, outputs.shape[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad
        depth = len(needs) // 2 - 1
        x, *saved = ctx.saved_tensors
        parameters, kept = saved[: 2 * depth], saved[2 * depth :]
        if torch.is_grad_enabled():  # a second derivative may be asked for: in place none is recorded
            return _differentiably(gradient, x, parameters, ctx.activation, needs)
        weights, rows = _factors(parameters[::2]), _rows(x, parameters[0])
        one = rows.dim() == 2
        gradient = gradient.reshape(len(rows), gradient.shape[-1]) if one else gradient
        each = 2 if ctx.activation == "silu" else 1
        found: list[Tensor | None] = [None] * (2 * depth)
        for i in reversed(range(depth)):
            inputs = kept[each * i - 1] if i else rows
            if needs[2 + 2 * i]:
                outer = _outer(inputs, gradient, weights[i])
                found[2 * i] = outer.t() if one else outer
            if needs[3 + 2 * i]:
                found[2 * i + 1] = gradient.sum(-2, keepdim=not one)
            if i == 0:
                break
            gradient = gradient @ weights[i].mT
            if ctx.activation == "silu":
                torch.ops.aten.silu_backward.grad_input(gradient, kept[each * i - 2], grad_input=gradient)
            else:
                torch.ops.aten.threshold_backward.grad_input(gradient, inputs, 0, grad_input=gradient)
        if not needs[0]:
            return None, None, *found
        of_rows = _product(gradient, weights[0].mT)
        return of_rows.view(x.shape) if one else of_rows.sum(0), None, *found


def _differentiably(
    gradient: Tensor, x: Tensor, parameters: Sequence[Tensor], activation: Activation, needs: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """The gradients, by automatic differentiation of the layers."""
    outputs = x
    for i, (weight, bias) in enumerate(zip(_factors(parameters[::2]), parameters[1::2], strict=True)):
        if i > 0:
            outputs = nn.functional.silu(outputs) if activation == "silu" else outputs.relu()
        outputs = outputs @ weight + bias
    asked = [need for i, need in enumerate(needs) if i != 1]  # the activation is no tensor
    wanted = [tensor for tensor, need in zip([x, *parameters], asked, strict=True) if need]
    found = iter(torch.autograd.grad(outputs, wanted, gradient, create_graph=True))
    of_x, *of_parameters = (next(found) if need else None for need in asked)
    return of_x, None, *of_parameters


def _factors(weights: Sequence[Tensor]) -> list[Tensor]:
    """Weights as what inputs are multiplied by, ``[in, out]`` or ``[k, in, out]``."""
    return [weight.t() if weight.dim() == 2 else weight for weight in weights]


def _rows(x: Tensor, weight: Tensor) -> Tensor:
    """Inputs as one matrix ``[n, i]``, or the same for each of k networks."""
    return x.reshape(-1, x.shape[-1]) if weight.dim() == 2 else x.expand(len(weight), *x.shape)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """``x weight``; of few columns, with them as rows."""
    return x @ weight if weight.shape[-1] >= _THIN else (weight.mT.contiguous() @ x.mT).mT


def _outer(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """``x^T gradient``, of the shape of `weight` and laid out as it is; a thin one with its thin side as rows."""
    inputs, outputs = weight.shape[-2:]
    flipped = inputs > outputs if min(inputs, outputs) < _THIN else weight.stride(-1) != 1
    return (gradient.mT @ x).mT if flipped else x.mT @ gradient
