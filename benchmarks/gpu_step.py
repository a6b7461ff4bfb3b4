"""What a GPU is there for: recorded steps, a large step against the peak of its products, recording, a long scan.

On the CPU the same is run at small sizes, which shows that it runs and nothing of a GPU.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Table, device, in_turn
from benchmarks.recording_overhead import network
from benchmarks.step_settings import ACTION, SETTINGS, batch, model, sequences, stepper
from symdiff.diffusion import DDIM
from symdiff.hae import HAE, Decoder, Encoder
from symdiff.representations import LieRepresentation
from symdiff.trajectories import record


def run() -> Table:
    """Each row is ours beside a reference on the same device, in turn."""
    large = device().startswith("cuda")
    rows = [
        _small_blocks(256 if large else 16),
        *(_large(large, bf16) for bf16 in (False, True)),
        _recording(64 if large else 8, 256 if large else 8, 100 if large else 6),
        _scan(1000 if large else 64),
    ]
    return Table(
        title=f"On {_hardware()}: milliseconds, least of the rounds; ratios are medians of the rounds",
        rows=rows,
        notes=(
            "sixteen 2x2 blocks: a recorded step, with a network for each block, against the plain step.",
            "large step: time of its matrix products at the peak that one product of the same numbers reaches here, "
            "over the time of the step; 3x64x64 images, hidden 2048, m = 256, batch 4096 on a GPU. bf16: encoder and "
            "decoder under autocast, all else, losses and rho among it, in float32.",
            "recording: time of the denoiser's calls over that of recording with them.",
            "scan: latents of sequences of N actions, against a loop over the actions.",
            *(() if large else ("On the CPU sizes are small and nothing is recorded.",)),
        ),
    )


def _hardware() -> str:
    return torch.cuda.get_device_name() if device().startswith("cuda") else "the CPU"


def _row(what: str, target: str, calls: dict[str, Callable[[], object]], share: float | None = None) -> dict[str, Any]:
    """Ours beside the reference; `share`: instead, this many seconds as a part of our time."""
    times = in_turn(calls)
    ours = times["ours"]
    if share is None:
        ratios = [b / a for a, b in zip(ours, times["reference"], strict=True)]
    else:
        ratios = [share / a for a in ours]
    return {
        "what": what,
        "ours ms": 1e3 * min(ours),
        "reference ms": 1e3 * (min(times["reference"]) if share is None else share),
        "reference over ours": statistics.median(ratios),
        "spread": f"{min(ratios):.3g} ... {max(ratios):.3g}",
        "target": target,
    }


def _small_blocks(size: int) -> dict[str, Any]:
    setting = replace(SETTINGS["A, sixteen 2x2"], batch=size)
    data = sequences(*batch(setting))
    ours, plainly = (stepper(model(setting).to(device()), data, plain) for plain in (False, True))
    first, second = (float(step().loss.detach()) for step in (ours, plainly))
    row = _row(f"sixteen 2x2 blocks, batch {size}", ">= 20", {"ours": ours, "reference": plainly})
    return {**row, "loss differs": abs(first - second) / abs(second)}


class _Bf16(nn.Module):
    """A network whose products are taken in bfloat16, and what they are taken of; it returns the precision named."""

    def __init__(self, network: nn.Module, returns: torch.dtype) -> None:
        super().__init__()
        self.network, self.returns = network, returns

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            result: Tensor = self.network(x.bfloat16())
        return result.to(self.returns)


def _large(large: bool, bf16: bool) -> dict[str, Any]:
    side, hidden, m, n, steps = (64, 2048, 256, 4096, 2) if large else (8, 32, 16, 16, 2)
    shape, pixels = (3, side, side), 3 * side * side
    torch.manual_seed(0)
    encoder: nn.Module = Encoder(shape, m, hidden)
    decoder: nn.Module = Decoder(m, shape, hidden)
    if bf16:
        # Latents are float32. Decoded images are not, but what they are compared with is, and so the differences are.
        encoder, decoder = _Bf16(encoder, torch.float32), _Bf16(decoder, torch.bfloat16)
    rho = LieRepresentation(lambda g: g, None, ACTION, (2,) * (m // 2))
    hae = HAE(encoder, rho, decoder).to(device())
    data = sequences(torch.randn(n, steps + 1, *shape), torch.randn(n, steps, ACTION))
    rows = n * (steps + 1)
    first = 2 * rows * pixels * (hidden + m)  # forward and to the weights: nobody asks for the pixels' gradient
    rest = 3 * rows * (2 * hidden * hidden + 2 * hidden * m + hidden * pixels + m * pixels)
    peak = _peak(8192 if large else 256, torch.bfloat16 if bf16 else torch.float32)
    kind = "bf16" if bf16 else "float32"
    row = _row(
        f"large step, {kind}: d {pixels}, hidden {hidden}, m {m}, batch {n}",
        ">= 0.5 of the peak" if bf16 else "",
        {"ours": stepper(hae, data, plain=False)},
        share=2 * (first + rest) / peak,
    )
    return {**row, "peak TFLOP/s": peak / 1e12}


def _peak(size: int, dtype: torch.dtype) -> float:
    """Operations a second of one square product."""
    a, b = (torch.randn(size, size, device=device()).to(dtype) for _ in range(2))
    return 2 * size**3 / min(in_turn({"product": lambda: a @ b})["product"])


def _recording(side: int, trajectories: int, steps: int) -> dict[str, Any]:
    denoiser = network(side).to(device())
    x = torch.randn(trajectories, *denoiser.shape, device=device())

    @torch.no_grad()
    def calls() -> None:
        for t in torch.linspace(denoiser.schedule.T, 1, steps).round().int().tolist():
            denoiser.denoise(x, t)

    def ours() -> None:
        record(denoiser, DDIM(), steps, trajectories, device=device(), batch_size=trajectories)

    what = f"recording {trajectories} x {steps} of {'x'.join(map(str, denoiser.shape))}"
    return _row(what, ">= 0.95", {"ours": ours, "reference": calls})


def _scan(length: int) -> dict[str, Any]:
    setting = replace(SETTINGS["A, sixteen 2x2"], batch=32, steps=length)
    hae = model(setting).to(device())
    actions, first = batch(setting)[1].to(device()), torch.randn(32, setting.latent, device=device())

    @torch.no_grad()
    def ours() -> Tensor:
        return hae.representation.rollout(actions, first)

    @torch.no_grad()
    def loop() -> Tensor:
        blocks, z = hae.representation.blocks(actions), first
        latents = [z]
        for t in range(length):
            parts = z.split([block.shape[-3] * block.shape[-1] for block in blocks], dim=-1)
            moved = [
                (block[:, t] @ part.unflatten(-1, block.shape[-3:-1])[..., None]).flatten(1)
                for block, part in zip(blocks, parts, strict=True)
            ]
            z = torch.cat(moved, dim=-1)
            latents.append(z)
        return torch.stack(latents, dim=1)

    row = _row(f"scan of N = {length}, batch 32", "", {"ours": ours, "reference": loop})
    found, expected = ours(), loop()
    return {**row, "latents differ": float((found - expected).norm() / expected.norm())}
