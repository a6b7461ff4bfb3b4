"""Exponentials and logarithms on manifolds: ours, many matrices at a time, beside geomstats called for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.limits import share
from benchmarks.measure import Table, seconds
from symdiff_geomstats import library
from symdiff_geomstats.manifolds import manifold

CASES = (("so", 2), ("so", 3), ("so", 4), ("so", 8), ("se", 3), ("gl+", 4), ("triangular", 4))
MATRICES = 1024
"""As many as eight blocks of a batch of 128 elements."""

FEW = 64
"""Matrices that geomstats is called for one by one; its time is scaled up."""

LENGTH = 1.0


def run() -> Table:
    """Time of one matrix in float64 on one thread, and the largest difference between the two."""
    rows: list[dict[str, Any]] = []
    for name, n in CASES:
        m, space = manifold(name, n), library.space(name, n)
        generator = torch.Generator().manual_seed(0)
        c = torch.randn(MATRICES, m.dimension, generator=generator, dtype=torch.float64)
        X = torch.tensordot(LENGTH * c / c.norm(dim=1, keepdim=True), m.algebra, dims=1)
        A = m.exp(X)
        for operation, ours, theirs, given in (("exp", m.exp, space.exp, X), ("log", m.log, space.log, A)):
            rows.append({"manifold": f"{name}({n})", "operation": operation, **_compare(ours, theirs, given)})
    return Table(
        title=f"Microseconds a matrix, {MATRICES} matrices at a time, float64",
        rows=rows,
        notes=(
            "times: how many times longer geomstats takes, called for each matrix, and for all of them at once.",
            "of memory: reading and writing every matrix once at the speed of a copy, of the time spent.",
        ),
    )


def _compare(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], given: Tensor) -> dict[str, Any]:
    def each() -> list[Tensor]:
        return [theirs(matrix) for matrix in given[:FEW]]

    with library.double():
        batched = seconds(lambda: ours(given)) / MATRICES
        single = seconds(each, blocks=3) / FEW
        whole = seconds(lambda: theirs(given), blocks=3) / MATRICES
        differ = float((ours(given[:FEW]) - torch.stack(each())).abs().max())
    return {
        "ours": 1e6 * batched,
        "each": 1e6 * single,
        "all at once": 1e6 * whole,
        "times (each)": single / batched,
        "times (at once)": whole / batched,
        "of memory %": share(batched, moved=2 * 8 * given[0].numel()),
        "largest difference": differ,
    }
