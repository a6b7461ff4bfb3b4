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
    outputs: Tensor = _Perceptron.apply(x, "relu", *tensors)  # type: ignore[no-untyped-call]
    return outputs


class _Perceptron(torch.autograd.Function):
    """Of inputs ``[n, i]``: weights ``[in, out]``, biases ``[out]``; of k networks ``[k, in, out]`` and ``[k, 1, out]``.

    One network after the other: what a layer of one hands to the next is still in the cache, and a batched product is
    slower than as many single ones.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[::2], parameters[1::2]
        kept = [_outputs(weight, len(x)) for weight in weights[:-1] for _ in range(_KEPT[activation])]
        outputs = _outputs(weights[-1], len(x))
        for network in _networks(weights, biases, kept, [outputs]):
            _run(x, activation, *network)
        ctx.activation = activation
        ctx.save_for_backward(x, *weights, *biases, *kept)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad
        x, *saved = ctx.saved_tensors
        depth = len(needs) // 2 - 1
        weights, biases, kept = saved[:depth], saved[depth : 2 * depth], saved[2 * depth :]
        if torch.is_grad_enabled():  # a second derivative may be asked for: in place none is recorded
            return _differentiably(gradient, x, weights, biases, ctx.activation, needs)
        of_weights = [_of_weight(w) if need else None for w, need in zip(weights, needs[2::2], strict=True)]
        of_biases = [torch.empty_like(b) if need else None for b, need in zip(biases, needs[3::2], strict=True)]
        of_x = _room(len(x), x.shape[1], x, flipped=x.shape[1] < _THIN).zero_() if needs[0] else None
        inner = [x.new_empty(len(x), weight.shape[-2]) for weight in weights[1:]]
        for network in _networks(weights, kept, [gradient], of_weights, of_biases):
            of_first = _run_back(x, ctx.activation, inner, *network)
            if of_x is not None:
                of_x.addmm_(of_first, network[0][0].t())
        return of_x, None, *(found for layer in zip(of_weights, of_biases, strict=True) for found in layer)


_KEPT: dict[Activation, int] = {"silu": 2, "relu": 1}
"""Tensors a hidden layer keeps: before and after the activation; a rectifier's derivative is seen after it."""


def _networks(*lists: Sequence[Tensor | None]) -> Iterator[list[list[Any]]]:
    """The lists for one network after the other."""
    counts = {len(tensor) for tensors in lists for tensor in tensors if tensor is not None and tensor.dim() == 3}
    (count,) = counts or {1}
    each = [[(t,) * count if t is None or t.dim() < 3 else t.unbind() for t in tensors] for tensors in lists]
    for j in range(count):
        yield [[t[j] for t in tensors] for tensors in each]


def _run(
    x: Tensor,
    activation: Activation,
    weights: list[Tensor],
    biases: list[Tensor],
    kept: list[Tensor],
    outputs: list[Tensor],
) -> None:
    """One network on the inputs: fills `kept` and `outputs`."""
    room = iter(kept)
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.addmm(bias, x, weight, out=next(room))
        x = torch.ops.aten.silu.out(x, out=next(room)) if activation == "silu" else x.relu_()
    torch.addmm(biases[-1], x, weights[-1], out=outputs[0])


def _run_back(
    x: Tensor,
    activation: Activation,
    inner: list[Tensor],
    weights: list[Tensor],
    kept: list[Tensor],
    gradients: list[Tensor],
    of_weights: list[Tensor | None],
    of_biases: list[Tensor | None],
) -> Tensor:
    """One network back: fills `of_weights` and `of_biases`, and returns the gradient of the first layer's outputs.

    `inner` is room for the gradients of the hidden layers.
    """
    each, (gradient,) = _KEPT[activation], gradients
    for i in reversed(range(len(weights))):
        inputs, of_weight, of_bias = kept[each * i - 1] if i else x, of_weights[i], of_biases[i]
        if of_weight is not None:
            torch.mm(inputs.t(), gradient, out=of_weight)
        if of_bias is not None:
            torch.sum(gradient, 0, keepdim=of_bias.dim() == 2, out=of_bias)
        if i > 0:
            gradient = torch.mm(gradient, weights[i].t(), out=inner[i - 1])
            if activation == "silu":
                torch.ops.aten.silu_backward.grad_input(gradient, kept[each * i - 2], grad_input=gradient)
            else:
                torch.ops.aten.threshold_backward.grad_input(gradient, inputs, 0, grad_input=gradient)
    return gradient


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


def _outputs(weight: Tensor, n: int) -> Tensor:
    """Room for the outputs ``[n, out]`` of a layer; of few columns, with them as rows."""
    return _room(n, weight.shape[-1], weight, flipped=weight.shape[-1] < _THIN)


def _of_weight(weight: Tensor) -> Tensor:
    """Room for the gradient of a weight, laid out as it is; a thin one with its thin side as rows."""
    inputs, outputs = weight.shape[-2:]
    flipped = inputs > outputs if min(inputs, outputs) < _THIN else weight.stride(-1) != 1
    return _room(inputs, outputs, weight, flipped)


def _room(rows: int, columns: int, weight: Tensor, flipped: bool) -> Tensor:
    """An empty matrix, or one for each of the networks; `flipped`: with the columns as rows in memory."""
    k = weight.shape[:-2]
    return weight.new_empty(*k, columns, rows).mT if flipped else weight.new_empty(*k, rows, columns)
