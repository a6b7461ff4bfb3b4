"""Measures of generated images, where their value is known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.diffusion import DDIM, DDPM, datasets
from symdiff.diffusion.denoisers import GaussianDenoiser, KernelMixtureDenoiser
from symdiff.diffusion.generate import generate
from symdiff.diffusion.quality import PrincipalComponents, frechet_distance, nearest_distance


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.floats(0.1, 3), st.floats(-2, 2))
def test_the_frechet_distance_of_scaled_and_shifted_features(scale: float, shift: float) -> None:
    """For a set and c times itself plus a shift the Gaussians commute: |shift of mean|^2 + (1 - c)^2 tr C."""
    x = draw(50, 6)
    y = scale * x + shift
    expected = float((y - x).mean(dim=0).square().sum() + (1 - scale) ** 2 * torch.cov(x.T).trace())
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-8, abs=1e-6)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-6, abs=1e-6)


def test_principal_components_are_those_of_the_covariance() -> None:
    images = draw(200, 1, 3, 3) * torch.linspace(3, 0.1, 9, dtype=torch.float64).reshape(1, 3, 3)
    coordinates = PrincipalComponents.fit(images, 4)(images)
    expected = torch.linalg.eigvalsh(torch.cov(images.flatten(1).T)).flip(0)[:4]
    torch.testing.assert_close(torch.cov(coordinates.T), torch.diag(expected))


def test_the_nearest_distance_of_a_copy_is_zero() -> None:
    images = draw(5, 1, 2, 2)
    distances = nearest_distance(torch.cat([images[:1], images[:1] + 0.01]), images)
    torch.testing.assert_close(distances, torch.tensor([0.0, 0.02], dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_digits_are_split_without_overlap_on_17_levels() -> None:
    training, held_out = datasets.digits()
    assert (len(training), len(held_out)) == (1617, 180)
    levels = torch.unique(torch.cat([training, held_out]))
    torch.testing.assert_close(levels, torch.arange(datasets.LEVELS) / 8 - 1)
    assert float(nearest_distance(held_out, training).min()) > 0
    other, _ = datasets.digits(seed=1)
    assert not torch.equal(other, training)


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), DDIM(0.5)], ids=repr)
def test_samples_of_a_gaussian_model_have_its_moments(sampler: DDPM | DDIM) -> None:
    scale = torch.tensor([1.0, 0.5, 0.25, 0.1])
    denoiser = GaussianDenoiser(torch.ones(1, 2, 2), torch.diag(scale**2))
    images = generate(denoiser, sampler, 200, 2000, seed=0).flatten(1)
    torch.testing.assert_close(images.mean(dim=0), torch.ones(4), rtol=0, atol=0.08)
    torch.testing.assert_close(images.std(dim=0), scale, rtol=0.1, atol=0.02)


def test_samples_of_a_finite_set_are_its_points_in_equal_shares() -> None:
    points = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]]).reshape(3, 1, 1, 2)
    images = generate(KernelMixtureDenoiser(points, 0.0), DDPM(), 100, 900, seed=0)
    distance, index = torch.cdist(images.flatten(1), points.flatten(1)).min(dim=1)
    assert float(distance.max()) < 1e-3
    assert bool((torch.bincount(index) / 300 - 1 < 0.2).all())


def test_clipped_sampling_stays_in_range() -> None:
    denoiser = GaussianDenoiser(torch.ones(1, 2, 2), torch.eye(4))
    assert float(generate(denoiser, DDPM(), 20, 50, seed=0, clip=True).abs().max()) <= 1
    assert float(generate(denoiser, DDPM(), 20, 50, seed=0).abs().max()) > 1
