"""What recording costs beside sampling: the same loop with nothing kept, alternately."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.limits import counted, share
from benchmarks.measure import Table
from symdiff.diffusion import DDPM, Denoiser, Schedule, load_denoiser
from symdiff.diffusion.denoisers import NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.trajectories import record_store
from symdiff.trajectories.noise import BatchNoise

PAIRS = 7


def run() -> Table:
    """The ratio of recording to the bare loop, model by model; with one core, and against noise that has no owner."""
    models: dict[str, tuple[Denoiser, int, int]] = {
        "digits (1x8x8 network)": (load_denoiser("digits"), 256, 50),
        "1x32x32 network": (network(32), 32, 25),
        "gaussian (1x8x8, closed form)": (load_denoiser("gaussian"), 256, 250),
    }
    rows = []
    for name, (model, trajectories, steps) in models.items():
        shared, alone = _own_noise, _torch_noise
        rows.append(_row(name, "all cores", model, trajectories, steps, shared))
        with _one_core():
            rows.append(_row(name, "one core", model, trajectories, steps, shared))
        rows.append(_row(name, "all cores, against torch.randn", model, trajectories, steps, alone))
    worst = max(row["overhead %"] for row in rows if row["against"] == "all cores" and "network" in row["model"])
    return Table(
        title="record_store to disk over the bare loop (DDPM, one batch), as A B A B ...; medians of the ratios",
        rows=rows,
        conclusions={"overhead % on networks, all cores": worst},
        notes=(
            "of arithmetic: the products and convolutions of the model at the speed of a large matrix product, of the "
            "CPU time spent; those of images this small do not come near it.",
            "The bare loop calls the same denoiser with the same states at the same steps, draws the same noise, and "
            "takes the same steps P x + Q x0hat + s z; it checks and keeps nothing.",
            "Recording adds the checks, the copies, the files with their checksums, and bringing them to the disk.",
            "torch.randn: one call a step for all trajectories, which is cheaper and no function of the trajectory.",
        ),
    )


def network(size: int) -> Denoiser:
    """The embedded network's architecture for larger images, with random weights."""
    torch.manual_seed(0)
    return NetworkDenoiser(UNet(UNetConfig(size=size)), Schedule.cosine(), f"network-{size}")


def _own_noise(model: Denoiser, trajectories: int, steps: int) -> Callable[[int], Tensor]:
    return BatchNoise(0, range(trajectories), model.shape, steps=steps).normal


def _torch_noise(model: Denoiser, trajectories: int, steps: int) -> Callable[[int], Tensor]:
    return lambda i: torch.randn(trajectories, *model.shape)


@torch.no_grad()
def bare(model: Denoiser, trajectories: int, steps: int, noise: Callable[[int], Tensor]) -> Tensor:
    """Sample one batch and keep nothing but its images."""
    sampler = DDPM()
    table = sampler.coefficients(model.schedule, steps)
    x = noise(-1)
    for i in range(steps):
        x0hat = model.denoise(x, table.time(i))
        x = sampler.step(x, x0hat, table, i, noise(i) if float(table.noise_std[i]) else None)
    return x


def _row(
    name: str,
    against: str,
    model: Denoiser,
    trajectories: int,
    steps: int,
    noise: Callable[[Denoiser, int, int], Callable[[int], Tensor]],
) -> dict[str, Any]:
    def reference() -> None:
        bare(model, trajectories, steps, noise(model, trajectories, steps))

    def recording() -> None:
        with tempfile.TemporaryDirectory() as folder:
            record_store(Path(folder) / "store", model, DDPM(), steps, trajectories, 0, "cpu", batch_size=trajectories)

    flops = counted(reference)
    recording()
    times = [(_time(reference), _time(recording)) for _ in range(PAIRS)]
    ratios, of_cpu = (sorted(b[i] / a[i] for a, b in times) for i in (0, 1))
    return {
        "model": name,
        "against": against,
        "trajectories x steps": f"{trajectories} x {steps}",
        "bare seconds": min(a[0] for a, _ in times),
        "bare of arithmetic %": share(min(a[1] for a, _ in times), flops),
        "recording seconds": min(b[0] for _, b in times),
        "overhead %": 100 * (statistics.median(ratios) - 1),
        "of the least times %": 100 * (min(b[0] for _, b in times) / min(a[0] for a, _ in times) - 1),
        "of CPU time %": 100 * (statistics.median(of_cpu) - 1),
        "ratios": f"{ratios[0]:.3f} ... {ratios[-1]:.3f}",
    }


def _time(call: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the wall, and of CPU in all threads, which what else runs on the machine disturbs less."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


class _one_core:
    """Keep all threads of this process on one core."""

    def __enter__(self) -> None:
        self.allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(self.allowed)})

    def __exit__(self, *exception: object) -> None:
        os.sched_setaffinity(0, self.allowed)
