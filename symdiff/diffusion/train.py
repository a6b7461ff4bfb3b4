"""Train the embedded networks: ``python -m symdiff.diffusion.train mnist`` (or ``digits``)."""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symdiff.allocator import keep_freed_memory
from symdiff.diffusion.denoisers.network import load_network, log_snr, save_network
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.evaluate import figures, write_grid
from symdiff.diffusion.recipes import RECIPES, Recipe, TrainingConfig
from symdiff.diffusion.schedule import Schedule

logger = logging.getLogger(__name__)


def train(
    images: Float[Tensor, "n 1 h w"],
    schedule: Schedule,
    config: TrainingConfig,
    sizes: UNetConfig,
    on_progress: Callable[[int, float, UNet], None] | None = None,
    start: UNet | None = None,
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
    sizes
        Of the network; its dropout is taken from `config`.
    on_progress
        Called every 100 steps with the step, the mean loss since the last call and the averaged network.
    start
        A network of these sizes to go on from, instead of a new one; it is left as it is.

    Returns
    -------
    UNet
        The averaged network.
    """
    # Dropout draws from the global generator, which is the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = UNet(replace(sizes, dropout=config.dropout))
        if start is not None:
            network.load_state_dict(start.state_dict())
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


def main(arguments: list[str] | None = None) -> int:
    """Command line: train and write the weights, or ``--evaluate`` those there are."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(prog="python -m symdiff.diffusion.train", description=__doc__)
    models = parser.add_subparsers(dest="model", required=True, help="which network")
    for model, recipe in RECIPES.items():
        _add_options(models.add_parser(model, help=f"made by: {recipe.command}"), recipe)
    options = vars(parser.parse_args(arguments))
    model, evaluate, out, grid, start = (options.pop(name) for name in ("model", "evaluate", "out", "grid", "start"))
    recipe = RECIPES[model]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not evaluate:
        _train_and_save(recipe, TrainingConfig(**options), out, start)
    denoiser = load_network(out, model)
    result = {"digest": denoiser.digest, "bytes": out.stat().st_size, **figures(denoiser, recipe)}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    if grid is not None:
        write_grid(grid, denoiser)
    return 0


def _add_options(parser: argparse.ArgumentParser, recipe: Recipe) -> None:
    parser.add_argument("--evaluate", action="store_true", help="only print the figures of the weights at --out")
    parser.add_argument("--out", type=Path, default=recipe.weights, help="the weights file (default: the embedded one)")
    parser.add_argument("--grid", type=Path, help="also draw samples on a grid and write this image file")
    parser.add_argument("--start", type=Path, help="go on from the network in this file instead of a new one")
    for name, default in asdict(recipe.training).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)


def _train_and_save(recipe: Recipe, config: TrainingConfig, out: Path, start: Path | None) -> None:
    """Train on the linear schedule and write the weights; each progress report is preceded by a checkpoint.

    The checkpoint is the averaged network so far, at `out` with the suffix ``.partial``: it can be evaluated while
    training goes on, and something is left if that is cut short.
    """
    schedule = Schedule.linear()
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    metadata: dict[str, Any] = {
        "schedule": {"kind": "linear", "T": schedule.T},
        "command": recipe.command,
        "training": asdict(config),
    }
    earlier = None
    if start is not None:
        denoiser = load_network(start, str(start))
        earlier = denoiser.network
        metadata["start"] = denoiser.digest
    begun = time.perf_counter()

    def report(step: int, loss: float, averaged: UNet) -> None:
        save_network(partial, averaged, {**metadata, "step": step})
        logger.info("step %d of %d  loss %.4f  %.0f s", step, config.steps, loss, time.perf_counter() - begun)

    network = train(recipe.data()[0], schedule, config, recipe.network, report, earlier)
    save_network(out, network, metadata)
    partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
