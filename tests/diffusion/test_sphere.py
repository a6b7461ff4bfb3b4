"""The denoiser of the uniform sphere."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ive

from symdiff.diffusion.denoisers.sphere import SphereDenoiser, bessel_ratio


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.sampled_from([0.0, 0.5, 2.0, 31.0]), st.floats(1e-3, 5e4))
def test_the_ratio_of_bessel_functions(order: float, tau: float) -> None:
    ours = float(bessel_ratio(order, torch.tensor(tau, dtype=torch.float64)))
    below = ive(order, tau)
    if below > 1e-250:
        assert ours == pytest.approx(ive(order + 1, tau) / below, rel=1e-10)


@pytest.mark.parametrize("t", [900, 500, 100])
def test_the_estimate_is_that_of_many_points_on_the_sphere(t: int) -> None:
    """Importance weights of 400,000 points, in R^4."""
    denoiser = SphereDenoiser((1, 2, 2), 1.5)
    A, sigma = denoiser.schedule.signal(t), denoiser.schedule.sigma(t)
    points = torch.nn.functional.normalize(draw(400_000, 4), dim=1) * 1.5
    x = draw(3, 4, seed=1)
    weights = (A * x @ points.T / sigma**2).softmax(dim=1)
    estimate = denoiser.denoise(x.reshape(3, 1, 2, 2), t).flatten(1)
    torch.testing.assert_close(estimate, weights @ points, rtol=0, atol=0.02)


@pytest.mark.parametrize("t", [900, 500, 100])
def test_the_jacobian_has_one_radial_and_equal_tangential_eigenvalues(t: int) -> None:
    denoiser = SphereDenoiser((1, 2, 3), 2.0)
    x = draw(2, 1, 2, 3)
    per_image = torch.func.vmap(torch.func.jacrev(lambda y: denoiser.denoise(y[None], t)[0]))
    J = per_image(x).reshape(2, 6, 6)
    scale = denoiser.schedule.signal(t) / denoiser.schedule.sigma(t) ** 2
    torch.testing.assert_close(J, scale * denoiser.posterior_covariance(x, t), rtol=1e-8, atol=1e-9)
    direction = torch.nn.functional.normalize(x.flatten(1), dim=1)
    along = (J @ direction[:, :, None])[:, :, 0]
    radial = (along * direction).sum(dim=1)
    torch.testing.assert_close(along, radial[:, None] * direction, rtol=1e-8, atol=1e-9)
    values = torch.linalg.eigvalsh(J)
    tangential = (torch.diagonal(J, dim1=1, dim2=2).sum(dim=1) - radial) / 5
    expected = torch.cat([tangential[:, None].expand(-1, 5), radial[:, None]], dim=1).sort(dim=1).values
    torch.testing.assert_close(values, expected, rtol=1e-8, atol=1e-9)
    length = denoiser.denoise(x, t).flatten(1).norm(dim=1)
    torch.testing.assert_close(tangential, length / x.flatten(1).norm(dim=1), rtol=1e-8, atol=1e-9)


def test_rotations_commute_with_the_denoiser() -> None:
    denoiser = SphereDenoiser((1, 2, 3), 2.0)
    rotation, _ = torch.linalg.qr(draw(6, 6))
    x = draw(4, 6, seed=2)
    rotated = denoiser.denoise((x @ rotation.T).reshape(4, 1, 2, 3), 400).flatten(1)
    expected = denoiser.denoise(x.reshape(4, 1, 2, 3), 400).flatten(1) @ rotation.T
    torch.testing.assert_close(rotated, expected, rtol=1e-12, atol=1e-12)
