"""Recording costs in proportion to trajectories, steps and pixels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.limits import memory, reading, writing
from benchmarks.measure import Table, exponent, seconds
from symdiff.diffusion import DDPM, Denoiser, Schedule, load_denoiser
from symdiff.trajectories import read_store, record, write_store

PIXELS = {"1x8x8": 64, "1x28x28": 784, "3x32x32": 3072, "3x64x64": 12288, "3x128x128": 49152, "3x256x256": 196608}


class Half(Denoiser):
    """A model that costs next to nothing, so that what is timed is the recording."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__("half", shape, Schedule.linear(), "half")

    def denoise(self, x: Tensor, t: int) -> Tensor:
        """Half the state."""
        return x / 2


def run() -> Table:
    """Time of recordings along each of the three directions, and of writing and reading them."""
    mixture = load_denoiser("mixture")
    rows = [_row("trajectories", n, mixture, 50, n) for n in (64, 128, 256, 512, 1024)]
    rows += [_row("steps", steps, mixture, steps, 128) for steps in (10, 25, 50, 100, 250, 1000)]
    for name, d in PIXELS.items():
        c, h, w = map(int, name.split("x"))
        rows.append(_row("pixels", d, Half((c, h, w)), 10, 16))
    return Table(
        title="Recording with DDPM: the closed-form mixture (trajectories, steps) and a trivial model (pixels)",
        rows=rows,
        conclusions={
            "exponent of record_seconds": {
                along: _exponent(rows, along) for along in ("trajectories", "steps", "pixels")
            },
            "the same for pixels >= 3072": _exponent(rows, "pixels", least=3072),
        },
        notes=(
            "write_seconds includes reaching the disk and the checksum, read_seconds its verification.",
            "of memory, of file: the numbers kept at the speed of a copy, of a file written or read in a row, of the "
            "time spent.",
        ),
    )


def _row(along: str, size: int, model: Denoiser, steps: int, trajectories: int) -> dict[str, Any]:
    def sample() -> object:
        return record(model, DDPM(), steps, trajectories, device="cpu")

    recording = record(model, DDPM(), steps, trajectories, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        stores = iter(range(10**9))
        write_seconds = seconds(lambda: write_store(Path(folder) / str(next(stores)), recording), blocks=3)
        read_seconds = seconds(lambda: read_store(Path(folder) / "0"), blocks=3)
    record_seconds = seconds(sample, blocks=3)
    numbers = recording.denoised.numel()
    size_on_disk = 4.0 * (recording.states.numel() + numbers)
    return {
        "along": along,
        "size": size,
        "model": model.name,
        "megabytes": 4e-6 * (recording.states.numel() + numbers),
        "record_seconds": record_seconds,
        "ns_per_number": 1e9 * record_seconds / numbers,
        "write_seconds": write_seconds,
        "read_seconds": read_seconds,
        "record of memory %": 100 * size_on_disk / memory() / record_seconds,
        "write of file %": 100 * size_on_disk / writing() / write_seconds,
        "read of file %": 100 * size_on_disk / reading() / read_seconds,
    }


def _exponent(rows: list[dict[str, Any]], along: str, least: int = 0) -> float:
    chosen = [row for row in rows if row["along"] == along and row["size"] >= least]
    return exponent([row["size"] for row in chosen], [row["record_seconds"] for row in chosen])
