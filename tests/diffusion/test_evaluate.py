"""The figures of an embedded network, where their value is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread

from symdiff.diffusion import Schedule, datasets
from symdiff.diffusion.denoisers import GaussianDenoiser, NetworkDenoiser
from symdiff.diffusion.denoisers.unet import UNet, UNetConfig
from symdiff.diffusion.elbo import elbo
from symdiff.diffusion.evaluate import figures, noise_error, write_grid
from symdiff.diffusion.recipes import RECIPES


def test_the_error_of_the_noise_is_that_of_the_optimal_denoiser_of_a_gaussian() -> None:
    """Given x_t, the noise has variance ``A^2 lambda / (A^2 lambda + sigma^2)`` along an eigenvector."""
    variances = torch.tensor([4.0, 1.0, 0.3, 0.02], dtype=torch.float64)
    schedule = Schedule.linear(200)
    denoiser = GaussianDenoiser(torch.zeros(1, 2, 2, dtype=torch.float64), torch.diag(variances), schedule)
    draws = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images = (draws * variances.sqrt()).reshape(-1, 1, 2, 2)
    A2 = schedule.alpha_bar[1:, None]
    expected = float((A2 * variances / (A2 * variances + 1 - A2)).mean())
    assert noise_error(denoiser, images) == pytest.approx(expected, rel=0.03)


def test_the_figures_are_taken_against_the_held_out_images() -> None:
    training, held_out = datasets.digits()
    labels = datasets.digits_labels()
    half_bin = 1 / 20
    recipe = replace(
        RECIPES["digits"],
        data=lambda: (training, held_out[:40]),
        labels=lambda: (labels[0], labels[1][:40]),
        half_bin=half_bin,
    )
    torch.manual_seed(0)
    denoiser = NetworkDenoiser(UNet(UNetConfig(channels=(8, 16), embedding=16)), Schedule.cosine(100), "untrained")
    found = figures(denoiser, recipe, seeds=(0, 1), n=40)
    assert [len(found[name]) for name in ("frechet", "nearest", "unreadable")] == [2, 2, 2]
    assert found["frechet"][0] != found["frechet"][1]
    assert found["frechet_of_training_set"] < min(found["frechet"])
    assert found["nearest_of_held_out"] < min(found["nearest"])
    assert found["unreadable_of_held_out"] < 0.2 < 0.8 < min(found["unreadable"])
    assert found["accuracy_of_reader"] > 0.9
    assert found["noise_error"] == noise_error(denoiser, held_out[:40])
    bounds = found["bits_per_dim"]
    assert set(bounds) == {"fixed_large, clipped", "fixed_large, unclipped", "fixed_small, unclipped"}
    expected = elbo(denoiser, held_out[:40], "fixed_small", half_bin=half_bin).bits_per_dim
    assert math.isclose(bounds["fixed_small, unclipped"], expected)


@pytest.mark.parametrize(("size", "side"), [(8, 50), (28, 60)])
def test_a_grid_shows_framed_images_side_by_side(tmp_path: Path, size: int, side: int) -> None:
    network = UNet(UNetConfig(size=size, channels=(8, 16), embedding=16))
    write_grid(tmp_path / "grid.png", NetworkDenoiser(network, Schedule.cosine(100), "untrained"), rows=2, columns=3)
    assert imread(tmp_path / "grid.png").shape[:2] == (2 * side, 3 * side)
