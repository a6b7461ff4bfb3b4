"""A training step beside the published algorithm written plainly, and beside its own matrix products alone."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.limits import share
from benchmarks.measure import Table, device, exponent, in_turn, paired
from benchmarks.step_settings import ACTION, HIDDEN, SETTINGS, Setting, batch, model, sequences, stepper
from symdiff.groups import FamilyOptions

LENGTHS = (10, 30, 100, 300, 1000)


def run() -> Table:
    """Ours, the plain one and the products in turn, round by round; figures are medians of the rounds' ratios."""
    rows = [_row(name, setting) for name, setting in SETTINGS.items()]
    lengths = {n: _forward(Setting(steps=n, batch=32)) for n in LENGTHS}
    return Table(
        title="One optimiser step: loss, gradient, clipping, AdamW; CPU milliseconds, least of the rounds",
        rows=rows,
        conclusions={
            "milliseconds of a forward pass by N, batch 32": {str(n): 1e3 * t for n, t in lengths.items()},
            "exponent of N, N >= 30": exponent(list(lengths)[1:], list(lengths.values())[1:]),
        },
        notes=(
            "plain: symdiff.plain, which `symdiff analyze --plain` trains by; of plain: its time over ours.",
            "products: the matrix products (convolutions) of the step alone, forward and backward, in this process.",
            "of arithmetic: the operations of the products at the speed of a large one, of the time spent.",
            "authors: CPU milliseconds of the authors' code on another machine, for its own ratios only.",
        ),
    )


def _row(name: str, setting: Setting) -> dict[str, Any]:
    data, penalty = sequences(*batch(setting)), FamilyOptions().penalty if setting.penalty else 0.0
    ours, plainly = (stepper(model(setting).to(device()), data, plain, penalty) for plain in (False, True))
    first, second = (float(step().loss.detach()) for step in (ours, plainly))
    calls = {"ours": ours, "plain": plainly, "products": products(setting)}
    times = in_turn(calls)
    of_plain, of_products = paired(times, "plain", "ours"), paired(times, "ours", "products")
    flops = 2e-9 * multiplications(setting)
    return {
        "setting": name,
        **{f"{kind} ms": 1e3 * min(spent) for kind, spent in times.items()},
        "of plain": statistics.median(of_plain),
        "spread": f"{of_plain[0]:.2f} ... {of_plain[-1]:.2f}",
        "of products": statistics.median(of_products),
        "spread ": f"{of_products[0]:.2f} ... {of_products[-1]:.2f}",
        "GFLOP": flops,
        "GFLOP/s alone": flops / min(times["products"]),
        "of arithmetic %": share(min(times["ours"]), 1e9 * flops),
        "products of arithmetic %": share(min(times["products"]), 1e9 * flops),
        "loss differs": abs(first - second) / abs(second),
        "authors": setting.authors,
    }


def _layers(setting: Setting) -> list[tuple[int, int, int, int]]:
    """``(copies, rows, in, out)`` of every dense layer, without those of the images' networks."""
    n, m = setting.batch, setting.latent
    observed, acted = n * (setting.steps + 1), n * setting.steps
    layers = []
    if setting.shape[1] == 1:
        pixels = setting.shape[-1]
        for inputs, outputs in ((pixels, m), (m, pixels)):
            layers += [(1, observed, inputs, HIDDEN), (1, observed, HIDDEN, HIDDEN), (1, observed, HIDDEN, outputs)]
    k, b = len(setting.blocks), setting.blocks[0]
    phi = [(k, acted, ACTION, HIDDEN), (k, acted, HIDDEN, HIDDEN), (k, acted, HIDDEN, b * b)]
    return layers + phi * (3 if setting.penalty else 1)  # the penalty looks at g1 and g2 g1


def multiplications(setting: Setting) -> float:
    """Of one step: forward, and backward to weights and inputs, those of the first layers excepted."""
    total = 0.0
    for copies, rows, inputs, outputs in _layers(setting):
        total += copies * rows * inputs * outputs * (2 if inputs in (ACTION, setting.shape[-1]) else 3)
    return total + (_of_convolutions(setting) if setting.shape[1] > 1 else 0)


def _of_convolutions(setting: Setting) -> float:
    total, size = 0.0, setting.shape[1]
    for i, (inputs, outputs) in enumerate(((setting.shape[0], 32), (32, 32), (32, 64), (64, 64))):
        size //= 2
        one = setting.batch * (setting.steps + 1) * inputs * outputs * 16 * size**2
        total += one * (2 if i == 0 else 3) + one * 3  # down, and up again
    return total


def products(setting: Setting) -> Callable[[], None]:
    """The same products on operands that are there already, nothing else."""
    dense = []
    for copies, rows, inputs, outputs in _layers(setting):
        x, w, g = (
            torch.randn(copies, *s, device=device()) for s in ((rows, inputs), (inputs, outputs), (rows, outputs))
        )
        dense.append((x, w, g, inputs not in (ACTION, setting.shape[-1])))
    network = copy.deepcopy(model(setting)).to(device())
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)]
    images = _inputs(network, setting, convolutions)

    def once() -> None:
        for x, w, g, inner in dense:
            if len(x) == 1:
                _ = x[0] @ w[0]
                _ = x[0].T @ g[0]
                _ = g[0] @ w[0].T if inner else None
            else:
                _ = x @ w
                _ = x.mT @ g
                _ = g @ w.mT if inner else None
        for part, (x, g) in zip(convolutions, images, strict=True):
            torch.autograd.grad(part(x), [x, *part.parameters()] if x.requires_grad else list(part.parameters()), g)

    return once


def _inputs(network: HAE, setting: Setting, convolutions: list[nn.Module]) -> list[tuple[Tensor, Tensor]]:
    """Operands of the convolutions: what they see, and a gradient of the size of what they return."""
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(part: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        seen[part] = (given[0].detach().clone().requires_grad_(given[0].requires_grad), torch.randn_like(result))

    hooks = [part.register_forward_hook(keep) for part in convolutions]
    if convolutions:
        network.decode(network.encode(batch(setting)[0].to(device())))
    for hook in hooks:
        hook.remove()
    return [seen[part] for part in convolutions]


def _forward(setting: Setting) -> float:
    network = model(setting).to(device())
    data = sequences(*batch(setting))

    @torch.no_grad()
    def call() -> Tensor:
        return network.representation.rollout(data.actions, network.encode(data.observations[:, 0]))

    return min(in_turn({"forward": call})["forward"])
