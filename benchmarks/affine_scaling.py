"""Affine elements as d+1 numbers: every operation is linear in d, where dense matrices pay d^2 to d^3."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import scipy.linalg
import torch
from torch import Tensor

from benchmarks.limits import share
from benchmarks.measure import Table, exponent, seconds
from symdiff.diffusion import affine

DIMENSIONS = (64, 256, 1024, 3072, 12288, 49152, 196608)
ELEMENTS = 32
DENSE_ELEMENTS = 2
MAX_DENSE = {"compose": 1024, "act": 1024, "inverse": 1024, "exp": 1024, "log": 256}
MOVED = {"compose": 3, "act": 3, "inverse": 2, "exp": 2, "log": 2}
"""Vectors of d+1 numbers that an operation reads and writes."""

LINEAR_FROM = 3072
"""Below it the fixed cost of a call is a large share of its time."""


def run() -> Table:
    """Time per element of each operation, in both forms where the dense one is affordable."""
    generator = torch.Generator().manual_seed(0)
    rows: list[dict[str, Any]] = []
    for d in DIMENSIONS:
        g1, g2 = (elements(ELEMENTS, d, generator) for _ in range(2))
        times = {name: seconds(call) / ELEMENTS for name, call in structured(g1, g2).items()}
        truth = dense(g1[:DENSE_ELEMENTS], g2[:DENSE_ELEMENTS])
        for name, time in times.items():
            row = {"d": d, "operation": name, "microseconds": 1e6 * time, "ns_per_number": 1e9 * time / (d + 1)}
            row["of memory %"] = share(time, moved=4 * MOVED[name] * (d + 1))
            if d <= MAX_DENSE[name]:
                dense_time = seconds(truth[name], blocks=3) / DENSE_ELEMENTS
                row |= {"dense_microseconds": 1e6 * dense_time, "dense_over_structured": dense_time / time}
            rows.append(row)
    return Table(
        title=f"Affine elements (a, v), float32, time per element in batches of {ELEMENTS} (dense: {DENSE_ELEMENTS})",
        rows=rows,
        conclusions={
            f"exponent of d, d >= {LINEAR_FROM}": _exponents(rows, "microseconds", LINEAR_FROM),
            "exponent of d, all d": _exponents(rows, "microseconds", 0),
            "exponent of d, dense": _exponents(rows, "dense_microseconds", 0),
            "bytes of one element at d = 196608": 4 * (DIMENSIONS[-1] + 1),
            "bytes of its dense matrix (computed)": 4 * (DIMENSIONS[-1] + 1) ** 2,
        },
        notes=(
            "of memory: the time of reading and writing the numbers of the elements once at the speed of a copy, of "
            "the time spent. Above 100: operands that fit the cache.",
        ),
    )


def elements(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Elements like those of a reverse process: a near 1, v of the size of a step."""
    a = 1 - 0.03 * torch.rand(n, 1, generator=generator)
    return torch.cat([a, 0.1 * torch.randn(n, d, generator=generator)], dim=1)


def structured(g1: Tensor, g2: Tensor) -> dict[str, Callable[[], Tensor]]:
    """The operations on the d+1 numbers."""
    x, algebra = g1[:, 1:].contiguous(), affine.log(g1)
    return {
        "compose": lambda: affine.compose(g2, g1),
        "act": lambda: affine.act(g2, x),
        "inverse": lambda: affine.inverse(g1),
        "log": lambda: affine.log(g1),
        "exp": lambda: affine.exp(algebra),
    }


def dense(g1: Tensor, g2: Tensor) -> dict[str, Callable[[], object]]:
    """The same on ``(d+1) x (d+1)`` matrices, made when first needed."""
    d = g1.shape[1] - 1
    if d > max(MAX_DENSE.values()):
        return {}
    m1, m2 = matrices(g1), matrices(g2)
    point = torch.cat([g1[:, 1:], torch.ones(len(g1), 1)], dim=1)[..., None]
    algebra = matrices(affine.log(g1))
    algebra[:, -1, -1] = 0
    return {
        "compose": lambda: m2 @ m1,
        "act": lambda: m2 @ point,
        "inverse": lambda: torch.linalg.inv(m1),
        "log": lambda: [logm(matrix) for matrix in m1],
        "exp": lambda: torch.linalg.matrix_exp(algebra),
    }


def logm(matrix: Tensor) -> object:
    """The dense logarithm; it warns of its own inaccuracy, which is not the subject here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return scipy.linalg.logm(matrix.numpy())


def matrices(g: Tensor) -> Tensor:
    """``[[a I, v], [0, 1]]``; `affine.to_matrix` refuses these sizes, for the reason shown here."""
    d = g.shape[1] - 1
    matrix = g[:, :1, None] * torch.eye(d + 1)
    matrix[:, :d, d] = g[:, 1:]
    matrix[:, d, d] = 1
    return matrix


def _exponents(rows: list[dict[str, Any]], column: str, least: int) -> dict[str, float]:
    found = {}
    for name in MAX_DENSE:
        chosen = [row for row in rows if row["operation"] == name and column in row and row["d"] >= least]
        found[name] = exponent([row["d"] for row in chosen], [row[column] for row in chosen])
    return found
