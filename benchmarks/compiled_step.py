"""What a compiler would make of a training step: the same loss as one function for `torch.compile`, beside our step.

Nothing in symdiff is compiled; this shows what that costs. It needs a C++ compiler.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.limits import share
from benchmarks.measure import Table, in_turn, paired
from benchmarks.step_settings import SETTINGS, Setting, batch, model, sequences, stepper
from benchmarks.training_step import multiplications, products
from symdiff.groups import FamilyOptions
from symdiff.hae import HAE
from symdiff.objective import Objective, Recipe
from symdiff.training import descend, make_optimiser

MODES = ("default", "max-autotune-no-cudagraphs")
TERMS = 9
"""Of the series in the closed form, on blocks near the identity."""

Layers = list[tuple[Tensor, Tensor]]


def run() -> Table:
    """Compiled in two modes, ours, the plain one and the products in turn; ratios are medians of the rounds'."""
    settings = itertools.product(("A", "A, N = 5", "A, sixteen 2x2"), MODES)
    with TemporaryDirectory() as cache, patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=cache):
        rows = [_row(name, SETTINGS[name], mode) for name, mode in settings]
    return Table(
        title="One optimiser step: loss, gradient, clipping, AdamW; CPU milliseconds, least of the rounds",
        rows=rows,
        notes=(
            "compiled: loss and gradient by torch.compile; clipping and the optimiser are ours.",
            "first: seconds of the first compiled step, which is compiled then.",
            "of arithmetic: the operations of the products at the speed of a large one, of the time spent.",
        ),
    )


def _row(name: str, setting: Setting, mode: str) -> dict[str, Any]:
    data = sequences(*batch(setting))
    ours, plainly = (stepper(model(setting), data, plain) for plain in (False, True))
    hae = model(setting)
    optimiser = make_optimiser(hae, 1e-4, Recipe())
    function, weights = torch.compile(_loss, dynamic=False, mode=mode), _weights(hae)

    def compiled() -> Tensor:
        loss: Tensor = function(*weights, data.observations, data.actions)
        descend(hae, optimiser, Objective(loss, loss, loss, loss), Recipe().clip_norm)
        return loss

    expected = float(ours().loss.detach())
    torch.compiler.reset()
    start = time.perf_counter()
    found = float(compiled().detach())
    first = time.perf_counter() - start
    times = in_turn({"compiled": compiled, "ours": ours, "plain": plainly, "products": products(setting)})
    of_ours = paired(times, "ours", "compiled")
    return {
        "setting": name,
        "mode": mode,
        **{f"{kind} ms": 1e3 * min(spent) for kind, spent in times.items()},
        "ours / compiled": statistics.median(of_ours),
        "spread": f"{of_ours[0]:.2f} ... {of_ours[-1]:.2f}",
        "plain / compiled": statistics.median(paired(times, "plain", "compiled")),
        "of arithmetic %": share(min(times["compiled"]), 2 * multiplications(setting)),
        "loss differs": abs(found - expected) / abs(expected),
        "first s": first,
    }


def _weights(hae: HAE) -> tuple[Layers, Layers, Layers]:
    """Of encoder, networks of the blocks and decoder: ``[out, in]``, ``[k, in, out]`` and ``[out, in]``."""
    outer = [
        [(layer.weight, layer.bias) for layer in part.modules() if isinstance(layer, nn.Linear)]
        for part in (hae.encoder, hae.decoder)
    ]
    networks = hae.representation.networks
    kinds = ([*networks.weights, *networks.last_weights], [*networks.biases, *networks.last_biases])
    return outer[0], list(zip(*kinds, strict=True)), outer[1]


def _loss(encoder: Layers, networks: Layers, decoder: Layers, observations: Tensor, actions: Tensor) -> Tensor:
    """`symdiff.hae.losses` of 2x2 blocks with a network each, weighted as in training, with nothing written out."""
    n, steps = actions.shape[:2]
    images = observations.flatten(2)
    latents = _perceptron(images.flatten(0, 1), encoder).unflatten(0, (n, steps + 1))
    k = len(networks[0][0])
    raw = _perceptron(actions.reshape(1, n * steps, -1).expand(k, -1, -1), networks).unflatten(1, (n, steps))
    a, b, c, d = _exponential(*raw.unbind(-1))
    z = latents[:, 0].unflatten(1, (k, 2)).permute(2, 1, 0)
    walk = [z]
    for t in range(steps):
        x, y = walk[-1]
        walk.append(torch.stack([a[..., t] * x + b[..., t] * y, c[..., t] * x + d[..., t] * y]))
    predicted = torch.stack(walk).permute(3, 0, 2, 1).flatten(2)
    rebuilt = _perceptron(predicted.flatten(0, 1), decoder).unflatten(0, (n, steps + 1))
    prediction = (latents[:, 1:] - predicted[:, 1:]).square().mean()
    return (images - rebuilt).square().mean() + FamilyOptions().gamma * prediction


def _perceptron(x: Tensor, layers: Layers) -> Tensor:
    for i, (weight, bias) in enumerate(layers):
        x = functional.linear(x, weight, bias) if x.dim() == 2 else torch.baddbmm(bias, x, weight)
        x = x.relu() if i < len(layers) - 1 else x
    return x


def _exponential(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The closed form of `symdiff.representations.two_by_two`, its functions as series in the same precision."""
    half, delta = (a + d) / 2, (a - d) / 2
    q = delta * delta + b * c
    even = odd = first = second = torch.ones_like(q)
    for j in range(1, TERMS):
        first, second = first * q / (2 * j * (2 * j - 1)), second * q / (2 * j * (2 * j + 1))
        even, odd = even + first, odd + second
    growth = half.exp()
    return growth * (even + delta * odd), growth * b * odd, growth * c * odd, growth * (even - delta * odd)
