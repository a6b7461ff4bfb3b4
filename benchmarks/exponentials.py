"""The exponential of many small blocks beside `torch.matrix_exp`: error and time, forward and with the gradient."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.limits import share
from benchmarks.measure import Table, device, in_turn
from symdiff.representations import matrix_exponential
from symdiff.representations.exponential import EXACT_UP_TO

BLOCKS = 512
SIZES = (2, 3, 4, 5, 6, 7, 8, 16)
NORMS = (0.1, 0.3, 20.0)
COMPARED = 64
"""Blocks whose error is measured, against extended precision."""


def run() -> Table:
    """One row a size, precision and norm; a norm of 0.3 is that of a step in training, 20 the largest promised."""
    generator = torch.Generator().manual_seed(0)
    rows = [
        _row(size, dtype, norm, generator)
        for size in SIZES
        for dtype in (torch.float32, torch.float64)
        for norm in NORMS
    ]
    worst = {kind: max(row["error"] for row in rows if row["precision"] == kind) for kind in ("float32", "float64")}
    return Table(
        title=f"Exponentials of {BLOCKS} blocks at once; errors relative, in the Frobenius norm, the largest",
        rows=rows,
        conclusions={
            "largest error": worst,
            "least gain with the gradient": min(row["gain with gradient"] for row in rows),
            "least gain forward": min(row["gain"] for row in rows),
            "rows of a gain of 2 or more with the gradient": sum(row["gain with gradient"] >= 2 for row in rows)
            / len(rows),
            "products a call, squarings apart": "5 (order 18), none at 2x2",
        },
        notes=(
            "gain: time of torch.matrix_exp over ours, the median of paired rounds.",
            "of arithmetic: its products (2x2: 60 operations a block) at the speed of a large product in float64, "
            "of the time spent; small blocks are bound by the number of operations, not by either.",
        ),
    )


def _row(size: int, dtype: torch.dtype, norm: float, generator: torch.Generator) -> dict[str, Any]:
    X = torch.randn(BLOCKS, size, size, generator=generator)
    X = (X * (norm / torch.linalg.matrix_norm(X, 2))[:, None, None]).to(dtype).to(device()).requires_grad_()
    weights = torch.randn(BLOCKS, size, size, generator=generator).to(X)
    forward, both = ({"ours": one(matrix_exponential), "torch": one(torch.matrix_exp)} for one in _calls(X, weights))
    few, exact = X.detach()[:COMPARED], extended(X.detach()[:COMPARED])
    times, with_gradient = in_turn(forward), in_turn(both)
    products = in_turn({"products": lambda: _five_products(X.detach())})["products"]
    return {
        "size": size,
        "precision": str(dtype).removeprefix("torch."),
        "norm": norm,
        "error": error(matrix_exponential(few), exact),
        "torch's": error(torch.matrix_exp(few), exact),
        "ms": 1e3 * min(times["ours"]),
        "gain": _gain(times),
        "ms with gradient": 1e3 * min(with_gradient["ours"]),
        "gain with gradient": _gain(with_gradient),
        "spread": "{:.1f} ... {:.1f}".format(*_extremes(with_gradient)),
        "of 5 bmm": min(times["ours"]) / min(products),
        "of arithmetic %": share(min(times["ours"]), _flops(X), dtype=torch.float64),
    }


def _calls(X: Tensor, weights: Tensor) -> tuple[Callable[..., Callable[[], object]], ...]:
    def forward(function: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return lambda: function(X.detach())

    def both(function: Callable[[Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(function(X), X, weights)

    return forward, both


def _five_products(X: Tensor) -> None:
    for _ in range(5):
        _ = X @ X


def _flops(X: Tensor) -> float:
    """Of the products, five and the squarings of an average block; 2x2 blocks take about 60 operations instead."""
    n, b, _ = X.shape
    if b == 2:
        return 60.0 * n
    norms = X.detach().abs().sum(-2).amax(-1).double()
    squarings = (norms / EXACT_UP_TO[X.dtype]).log2().ceil().clamp_min(0).mean()
    return 2.0 * b**3 * n * (5 + float(squarings))


def _ratios(times: dict[str, list[float]]) -> list[float]:
    return [theirs / ours for ours, theirs in zip(times["ours"], times["torch"], strict=True)]


def _gain(times: dict[str, list[float]]) -> float:
    return statistics.median(_ratios(times))


def _extremes(times: dict[str, list[float]]) -> tuple[float, float]:
    return min(_ratios(times)), max(_ratios(times))


def extended(X: Tensor) -> np.ndarray[Any, np.dtype[np.longdouble]]:
    """Scaling by 2^14 and a series in numbers of 64 bits of mantissa."""
    Y = X.cpu().numpy().astype(np.longdouble) / 2**14
    term = exact = np.broadcast_to(np.eye(X.shape[-1], dtype=np.longdouble), Y.shape)
    for j in range(1, 16):
        term = term @ Y / j
        exact = exact + term
    for _ in range(14):
        exact = exact @ exact
    return exact


def error(found: Tensor, exact: np.ndarray[Any, np.dtype[np.longdouble]]) -> float:
    """The largest over the blocks."""
    difference = (found.cpu().double().numpy() - exact).astype(float)
    norms = [np.linalg.norm(blocks, axis=(1, 2)) for blocks in (difference, exact.astype(float))]
    return float((norms[0] / norms[1]).max())
