"""The linear part by products alone against the same by matrices: cost and error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional, init

from benchmarks.limits import counted, share
from benchmarks.measure import Table
from symdiff.diffusion import DDPM, Denoiser, Schedule, datasets, load_denoiser
from symdiff.diffusion.denoisers import KernelMixtureDenoiser, NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.process import linear_part
from symdiff.process.effort import Effort
from symdiff.trajectories import record

SIZES = (8, 16, 28)
EFFORT = replace(Effort.for_pixels(784), levels=3, trajectories=4)
FIGURES = ("trace", "effective_rank", "symmetry_defect", "commutator_all")


def run() -> Table:
    """Both routes on the same states of a closed form and of a network, at three sizes."""
    model = load_denoiser("mixture")
    linear_part(model, record(model, DDPM(), 3, 3, device="cpu"), effort=EFFORT)  # what torch imports on first use
    rows = [_row(model) for size in SIZES for model in _models(size)]
    networks = [row for row in rows if row["model"] == "network"]
    return Table(
        title=f"The linear part of {EFFORT.trajectories} trajectories at {EFFORT.levels} levels, "
        "by matrices (dense) and by products alone (probed)",
        rows=rows,
        conclusions={
            "dense / probed, seconds, network": {row["pixels"]: row["ratio"] for row in networks},
            "dense / probed, products": {row["pixels"]: row["dense_products"] / row["products"] for row in networks},
        },
        notes=(
            "of arithmetic: the products alone, as two evaluations each at the speed of a large matrix product, of the "
            "time spent by them.",
            "network: a U-Net of the architecture of the embedded model, trained at 8 x 8 and with random weights at "
            "the other sizes, where its spectrum is nearly flat; mixture: the kernel density of the digits, "
            "interpolated to the size, in float64.",
            "Errors: of the eight largest eigenvalues the worst, relative to the largest; of the other figures the "
            "mean over levels, relative to the figure by matrices. Each is one run.",
        ),
    )


def _models(size: int) -> Iterator[Denoiser]:
    """The closed form and the network at one size."""
    images = datasets.digits()[0]
    yield KernelMixtureDenoiser(functional.interpolate(images, size=size, mode="bilinear"), 0.1)
    if size == 8:
        yield load_denoiser("digits")
        return
    generator = torch.Generator().manual_seed(0)
    network = UNet(UNetConfig(size=size))
    for parameter in network.parameters():  # those that begin at zero make it a linear map
        if not bool(parameter.any()):
            init.normal_(parameter, std=0.02, generator=generator)
    yield NetworkDenoiser(network, Schedule.linear(), "network")


def _row(model: Denoiser) -> dict[str, Any]:
    d = torch.Size(model.shape).numel()
    trajectories = record(model, DDPM(), 20, EFFORT.trajectories + 4, device="cpu")
    dense_effort = replace(EFFORT, dense=True)
    (dense, dense_seconds), (probed, probed_seconds) = (
        _timed(lambda effort=effort: linear_part(model, trajectories, effort=effort))
        for effort in (dense_effort, EFFORT)
    )
    errors = [
        max(abs(a - b) for a, b in zip(one["eigenvalues"][:8], other["eigenvalues"][:8], strict=True))
        / max(map(abs, one["eigenvalues"]))
        for one, other in zip(dense["levels"], probed["levels"], strict=True)
    ]
    mixture = isinstance(model, KernelMixtureDenoiser)
    x = trajectories.states[:1, 0]
    with torch.no_grad():
        once = counted(lambda: model.denoise(x, 500))
    # A product with the derivative is one more evaluation beside the evaluation itself.
    flops = 2 * once * EFFORT.products(d)
    dtype = torch.float64 if mixture else torch.float32
    return {
        "model": "mixture" if mixture else "network",
        "pixels": d,
        "dense_products": dense_effort.products(d),
        "products": EFFORT.products(d),
        "dense_seconds": dense_seconds,
        "seconds": probed_seconds,
        "of arithmetic %": share(probed_seconds, flops, dtype=dtype),
        "ratio": dense_seconds / probed_seconds,
        "eigenvalue_error": max(errors),
        **{f"{name}_error": _error(name, dense, probed) for name in FIGURES},
    }


def _error(name: str, dense: dict[str, Any], probed: dict[str, Any]) -> float:
    """Mean relative error over the levels that have the figure; 0 where both vanish."""
    pairs = [
        (one[name]["value"], other[name]["value"])
        for one, other in zip(dense["levels"], probed["levels"], strict=True)
        if one[name]["value"] is not None and other[name]["value"] is not None
    ]
    return sum(abs(a - b) / max(abs(a), 1e-9) for a, b in pairs) / max(len(pairs), 1)


def _timed(call: Any) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    found = call()
    return found, time.perf_counter() - start
