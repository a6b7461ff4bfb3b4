"""Train the embedded network on 8x8 handwritten digits: ``python -m symdiff.diffusion.digits``."""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symdiff.diffusion import datasets
from symdiff.diffusion.denoisers.network import DIGITS_WEIGHTS, NetworkDenoiser, load_network, log_snr, save_network
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.elbo import elbo
from symdiff.diffusion.generate import generate
from symdiff.diffusion.quality import PrincipalComponents, frechet_distance, nearest_distance
from symdiff.diffusion.samplers import DDPM
from symdiff.diffusion.schedule import Schedule

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run; the defaults made the embedded weights."""

    steps: int = 6000
    batch: int = 128
    peak_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 1e-2
    average: float = 0.999
    dropout: float = 0.1
    seed: int = 0


def train(
    images: Float[Tensor, "n 1 h w"],
    schedule: Schedule,
    config: TrainingConfig,
    on_progress: Callable[[int, float, UNet], None] | None = None,
) -> UNet:
    """Train a network to predict v on `images`.

    The loss is ``E |v - v(x_t, t)|^2``. The rate rises linearly, then falls to 0 along a cosine; the result is an
    exponential moving average of the weights.

    Parameters
    ----------
    images
        Training images in [-1, 1].
    schedule
        Noise schedule.
    config
        Settings.
    on_progress
        Called every 100 steps with the step, the mean loss since the last call and the averaged network.

    Returns
    -------
    UNet
        The averaged network.
    """
    # Dropout draws from the global generator, which is the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = UNet(UNetConfig(size=images.shape[-1], dropout=config.dropout))
        averaged = copy.deepcopy(network).eval().requires_grad_(False)
        optimizer = torch.optim.AdamW(
            network.parameters(), config.peak_rate, (0.9, 0.99), weight_decay=config.weight_decay
        )
        quantiles = time_distribution(schedule).cumsum(dim=0)
        signal, sigma = schedule.alpha_bar.sqrt().float(), (1 - schedule.alpha_bar).sqrt().float()
        total = 0.0
        for step in range(1, config.steps + 1):
            x0 = images[torch.randint(len(images), (config.batch,))]
            strata = (torch.arange(config.batch) + torch.rand(config.batch)) / config.batch
            t = 1 + torch.searchsorted(quantiles, strata.double()).clamp(max=schedule.T - 1)
            a, s = signal[t].reshape(-1, 1, 1, 1), sigma[t].reshape(-1, 1, 1, 1)
            noise = torch.randn_like(x0)
            prediction = network(a * x0 + s * noise, log_snr(schedule, t))
            loss = functional.mse_loss(prediction, a * noise - s * x0)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = config.peak_rate * rate(step, config)
            optimizer.step()
            # A short memory at first, so that the average forgets the initial weights.
            decay = min(config.average, step / (step + 10))
            with torch.no_grad():
                for slow, fast in zip(averaged.parameters(), network.parameters(), strict=True):
                    slow.lerp_(fast, 1 - decay)
            total += float(loss.detach())
            if step % 100 == 0 and on_progress is not None:
                on_progress(step, total / 100, averaged)
                total = 0.0
        return averaged


def time_distribution(schedule: Schedule) -> Float[Tensor, " T"]:
    """Probabilities with which the times 1 ... T are drawn in training: half evenly, half as a cosine schedule would.

    A linear schedule spends most of its time where almost nothing of the image is left. The cosine schedule's density
    of the log signal-to-noise ratio, ``sech(log_snr / 2) / (2 pi)`` (Kingma et al. 2021, "Variational diffusion
    models"), puts the effort where the image takes shape.
    """
    log_snr = schedule.alpha_bar[1:].logit()
    spacing = torch.gradient(log_snr)[0].abs()
    density = spacing / torch.cosh(log_snr / 2)
    return 0.5 / schedule.T + 0.5 * density / density.sum()


def rate(step: int, config: TrainingConfig) -> float:
    """Share of the peak learning rate used at `step`: linear warm-up, then a cosine down to 0."""
    if step < config.warmup:
        return step / config.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - config.warmup) / (config.steps - config.warmup)))


def figures(denoiser: NetworkDenoiser, seeds: tuple[int, ...] = (0, 1, 2), n: int = 500) -> dict[str, Any]:
    """Quality of unclipped DDPM-100 samples, and the bound in bits per dimension, against the held-out digits.

    Parameters
    ----------
    denoiser
        The model.
    seeds
        One set of samples each.
    n
        Images in a set.
    """
    training, held_out = datasets.digits()
    components = PrincipalComponents.fit(training)
    target = components(held_out)
    sets = [generate(denoiser, DDPM(), 100, n, seed) for seed in seeds]
    noise = torch.randn(n, *denoiser.shape, generator=torch.Generator().manual_seed(0))
    return {
        "frechet": [frechet_distance(components(images), target) for images in sets],
        "frechet_of_training_set": frechet_distance(components(training), target),
        "frechet_of_noise": frechet_distance(components(noise), target),
        "nearest": [float(nearest_distance(images, training).mean()) for images in sets],
        "nearest_of_held_out": float(nearest_distance(held_out, training).mean()),
        "bits_per_dim": {
            f"{variance}, {'clipped' if clip else 'unclipped'}": elbo(denoiser, held_out, variance, clip).bits_per_dim
            for variance, clip in (("fixed_large", True), ("fixed_large", False), ("fixed_small", False))
        },
    }


def write_grid(path: Path, denoiser: NetworkDenoiser, rows: int = 8, columns: int = 16) -> None:
    """Draw unclipped DDPM-100 samples on a grid, black ink on white, and write the image file `path`."""
    from matplotlib.image import imsave  # slow to import

    images = generate(denoiser, DDPM(), 100, rows * columns, seed=0)[:, 0]
    framed = functional.pad(images, (1, 1, 1, 1), value=-1.0).reshape(rows, columns, 10, 10)
    sheet = framed.permute(0, 2, 1, 3).reshape(rows * 10, columns * 10)
    enlarged = sheet.repeat_interleave(5, dim=0).repeat_interleave(5, dim=1)
    imsave(path, enlarged.numpy(), vmin=-1, vmax=1, cmap="gray_r")


def main(arguments: list[str] | None = None) -> int:
    """Command line: train and write the weights, or ``--evaluate`` those there are."""
    parser = argparse.ArgumentParser(prog="python -m symdiff.diffusion.digits", description=__doc__)
    parser.add_argument("--evaluate", action="store_true", help="only print the figures of the weights at --out")
    parser.add_argument("--out", type=Path, default=DIGITS_WEIGHTS, help="the weights file (default: the embedded one)")
    parser.add_argument("--grid", type=Path, help="also draw samples on a grid and write this image file")
    for name, default in asdict(TrainingConfig()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    options = vars(parser.parse_args(arguments))
    evaluate, out, grid = options.pop("evaluate"), options.pop("out"), options.pop("grid")
    config = TrainingConfig(**options)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not evaluate:
        schedule = Schedule.linear()
        start = time.perf_counter()

        def report(step: int, loss: float, _: UNet) -> None:
            seconds = time.perf_counter() - start
            logger.info("step %d of %d  loss %.4f  %.0f s", step, config.steps, loss, seconds)

        network = train(datasets.digits()[0], schedule, config, report)
        out.parent.mkdir(parents=True, exist_ok=True)
        metadata = {
            "schedule": {"kind": "linear", "T": schedule.T},
            "command": "python -m symdiff.diffusion.digits",
            "training": asdict(config),
        }
        save_network(out, network, metadata)
    denoiser = load_network(out, "digits")
    result = {"digest": denoiser.digest, "bytes": out.stat().st_size, **figures(denoiser)}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    if grid is not None:
        write_grid(grid, denoiser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
