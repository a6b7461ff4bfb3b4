"""How cost grows: with pixels, steps of a sequence, trajectories, latent dimension and elements; drawn for the docs."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.limits import share, writing
from benchmarks.measure import Table, device, exponent, in_turn
from symdiff.decomposition import decompose
from symdiff.diffusion import DDPM, load_denoiser
from symdiff.representations import matrix_exponential
from symdiff.trajectories import record_store
from symdiff_affine.family import AffineFamily
from symdiff_affine.options import AffineOptions

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "scaling.svg"
Case = tuple[str, list[int], int, float, Callable[[int], Callable[[], object]]]


def run() -> Table:
    """Seconds by size, and the exponent of the larger sizes beside what is to be expected."""
    memory = _memory()  # first: the largest resident set never falls
    rows, exponents, curves = [], {}, {}
    for name, sizes, least, expected, make in CASES:
        seconds = [min(in_turn({"call": make(size)})["call"]) for size in sizes]
        rows += [
            {"what": name, "size": n, "ms": 1e3 * t, "of limit %": 100 * LEAST[name](n) / t}
            for n, t in zip(sizes, seconds, strict=True)
        ]
        large = [(n, t) for n, t in zip(sizes, seconds, strict=True) if n >= least]
        exponents[name] = f"{exponent(*zip(*large, strict=True)):.2f} (expected {expected:g}, from {least} on)"
        curves[name] = (sizes, seconds)
    draw(curves, PICTURE)
    return Table(
        title="Cost by size, CPU time, the least of some rounds",
        rows=rows,
        conclusions={"exponents": exponents, "megabytes by trajectories recorded to disk": memory},
        notes=(
            f"drawn in docs/images/{PICTURE.name}.",
            "of limit: the products at the speed of a large one, the numbers at that of a copy, or (recording) the "
            "file at that of one written in a row, of the time spent.",
            "megabytes: how much the largest resident set of the process has grown beyond that of the first recording.",
        ),
    )


def _pixels(d: int) -> Callable[[], object]:
    """Rho of a batch of affine elements, forward: m = 32 in blocks of 2."""
    family = AffineFamily((1, 1, d), AffineOptions(rho="lie"))
    rho, g = family.representation(32).to(device()), family.sample(64).to(device())
    return torch.no_grad()(lambda: rho.blocks(g))


def _steps(length: int) -> Callable[[], object]:
    family = AffineFamily((1, 8, 8), AffineOptions(rho="lie"))
    rho, actions = family.representation(32).to(device()), family.sample(16 * length).to(device())
    first = torch.randn(16, 32, device=device())
    return torch.no_grad()(lambda: rho.rollout(actions.unflatten(0, (16, length)), first))


def _trajectories(n: int) -> Callable[[], object]:
    model = load_denoiser("gaussian")

    def call() -> None:
        with tempfile.TemporaryDirectory() as folder:
            record_store(Path(folder) / "store", model, DDPM(), 20, n, 0, "cpu", batch_size=256)

    return call


def _latent(m: int) -> Callable[[], object]:
    """One dense block, its exponential and products with vectors."""
    X, z = 0.1 * torch.randn(32, m, m, device=device()) / m**0.5, torch.randn(32, m, 1, device=device())
    return lambda: matrix_exponential(X) @ z


def _elements(count: int) -> Callable[[], object]:
    """Decomposing `count` orthogonal matrices of size 24 that share three blocks."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(24, 24, generator=generator, dtype=torch.float64))
    parts = torch.linalg.qr(torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64))[0]
    matrices: Tensor = basis @ torch.stack([torch.block_diag(*blocks) for blocks in parts]) @ basis.T
    return lambda: decompose(matrices)


CASES: list[Case] = [
    ("pixels d, rho of an element", [64, 1024, 12288, 49152, 196608], 12288, 1, _pixels),
    ("actions N, latents of a sequence", [10, 30, 100, 300, 1000], 30, 1, _steps),
    ("trajectories, recording", [64, 256, 1024, 4096], 256, 1, _trajectories),
    ("latent dimension m, dense block", [8, 16, 32, 64, 128], 32, 3, _latent),
    ("elements K, decomposition", [8, 32, 128, 512], 32, 1, _elements),
]


LEAST: dict[str, Callable[[int], float]] = {
    "pixels d, rho of an element": lambda d: share(1, 2 * 64 * 64 * d, 4 * 64 * d) / 100,
    "actions N, latents of a sequence": lambda n: share(1, 2 * 16 * n * 65 * 64, 4 * 16 * n * (65 + 64)) / 100,
    "trajectories, recording": lambda n: 4 * n * 64 * (21 + 20) / writing(),
    "latent dimension m, dense block": lambda m: share(1, 2 * 5 * 32 * m**3, 8 * 32 * m**2) / 100,
    "elements K, decomposition": lambda k: share(1, 4 * k * 24**3, dtype=torch.float64) / 100,
}
"""Seconds that the products, the numbers read and written, or the file need at least."""


def _memory() -> dict[str, float]:
    """Growth of the largest resident set, in the order of the sizes: a recording streams to disk."""
    grown: dict[str, float] = {}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    start: float | None = None
    for n in (256, 1024, 4096):
        _trajectories(n)()
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        start = now if start is None else start
        grown[str(n)] = now - start
    return grown


def draw(curves: dict[str, tuple[list[int], list[float]]], file: Path) -> None:
    """One panel a quantity, both axes logarithmic."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "symdiff", "font.size": 8}):
        figure = Figure(figsize=(11, 2.6), layout="constrained")
        panels: Any = figure.subplots(1, len(curves))
        for panel, (name, (sizes, seconds)) in zip(panels, curves.items(), strict=True):
            panel.loglog(sizes, [1e3 * t for t in seconds], "o-", color="C0")
            panel.set(xlabel=name, ylabel="CPU milliseconds")
            panel.grid(alpha=0.3)
        file.parent.mkdir(exist_ok=True)
        figure.savefig(file, metadata={"Date": None})
