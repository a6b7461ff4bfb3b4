"""The variational bound on data where it can be known otherwise."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from symdiff.diffusion import Schedule, datasets
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.elbo import DIGITS_HALF_BIN, discretised_term, elbo, elbos, prior_term, transition_term
from symdiff.diffusion.linear_steps import expected_bound
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.errors import ConfigError

LEVELS = torch.arange(17, dtype=torch.float64) / 8 - 1


@given(st.floats(-3, 3), st.floats(0.003, 3))
def test_the_bins_of_the_grey_levels_share_out_all_probability(mean: float, std: float) -> None:
    terms = discretised_term(LEVELS, torch.full_like(LEVELS, mean), std, DIGITS_HALF_BIN)
    assert float((-terms).exp().sum()) == pytest.approx(1, rel=1e-9)


def test_a_level_far_in_a_tail_keeps_a_finite_likelihood_on_both_sides() -> None:
    """Twenty standard deviations away, where the distribution function itself rounds to 0 or 1."""
    mean = torch.tensor([0.5, -0.5], dtype=torch.float64)
    left, right = discretised_term(torch.zeros(2, dtype=torch.float64), mean, 0.02, DIGITS_HALF_BIN)
    assert float(left) == pytest.approx(float(right), rel=1e-12)
    z = (0.5 - DIGITS_HALF_BIN) / 0.02
    assert float(left) == pytest.approx(z**2 / 2 + math.log(z * math.sqrt(2 * math.pi)), rel=1e-2)


@given(st.floats(0.01, 0.99), st.floats(-1, 1))
def test_prior_and_transition_terms_are_gaussian_divergences(alpha_bar: float, x0: float) -> None:
    """Against torch's divergence of two normal distributions."""
    value = torch.tensor(x0, dtype=torch.float64)
    ours = prior_term(alpha_bar, value**2)
    exact = kl_divergence(Normal(alpha_bar**0.5 * value, (1 - alpha_bar) ** 0.5), Normal(0.0, 1.0))
    torch.testing.assert_close(ours, exact.to(torch.float64), rtol=1e-5, atol=1e-7)
    reverse = torch.tensor(0.3, dtype=torch.float64)
    step = transition_term(alpha_bar, 0.7, reverse, value**2)
    exact = kl_divergence(Normal(0.7 * value, alpha_bar**0.5), Normal(torch.zeros_like(value), reverse.sqrt()))
    torch.testing.assert_close(step, exact, rtol=1e-6, atol=1e-9)


def gaussian_images(n: int) -> tuple[GaussianDenoiser, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.3, 0.2, 0.1, 0.05])
    denoiser = GaussianDenoiser(torch.zeros(1, 2, 2), torch.diag(spread**2), Schedule.linear())
    return denoiser, spread.reshape(1, 2, 2) * torch.randn(n, 1, 2, 2, generator=generator)


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_the_bound_on_gaussian_data_is_its_closed_form(variance: str) -> None:
    """Sampled on 4000 images against the exact expectation, with bins too narrow to matter but for their width."""
    denoiser, images = gaussian_images(4000)
    half_bin = 1e-4
    bound = elbo(denoiser, images, variance, half_bin=half_bin)
    alpha_bar = denoiser.schedule.alpha_bar.flip(0)
    _, _, small, large = posterior_coefficients(alpha_bar)
    reverse = (small if variance == "fixed_small" else large).clone()
    reverse[-1] = small[-2]
    expected = expected_bound(alpha_bar, denoiser.eigenvalues, torch.zeros(4).double(), reverse[:, None].expand(-1, 4))
    nats = float(expected) / 4 - math.log(2 * half_bin)
    assert bound.bits_per_dim * math.log(2) == pytest.approx(nats, abs=0.02)
    assert (len(bound.transitions), bound.variance, bound.clipped) == (999, variance, False)
    assert float(bound.transitions.min()) > 0


def test_clipping_changes_the_bound_only_if_estimates_leave_the_range() -> None:
    denoiser, images = gaussian_images(50)
    inside = elbo(denoiser, (images * 8).round().clamp(-8, 8) / 8, clip=True)
    assert inside.clipped
    far = torch.full((5, 1, 2, 2), 1.0)
    assert elbo(denoiser, far, clip=True).bits_per_dim < elbo(denoiser, far).bits_per_dim


def test_the_bound_is_a_function_of_its_seed() -> None:
    denoiser, images = gaussian_images(3)
    first, again, other = (elbo(denoiser, images, seed=seed).bits_per_dim for seed in (1, 1, 2))
    assert first == again != other


def test_an_unknown_variance_is_refused() -> None:
    denoiser, images = gaussian_images(1)
    with pytest.raises(ConfigError, match="no variance 'optimal'"):
        elbo(denoiser, images, "optimal")


def test_several_bounds_from_one_pass_are_those_taken_one_by_one() -> None:
    images, half_bin = datasets.digits()[1][:20], 1 / 20
    denoiser = GaussianDenoiser(torch.zeros(1, 8, 8), torch.eye(64), Schedule.linear(30))
    cases = [("fixed_large", True), ("fixed_small", False)]
    for (variance, clip), bound in zip(cases, elbos(denoiser, images, cases, half_bin, seed=3), strict=True):
        alone = elbo(denoiser, images, variance, clip, half_bin, seed=3)
        assert (bound.variance, bound.clipped) == (variance, clip)
        assert bound.bits_per_dim == alone.bits_per_dim
        assert torch.equal(bound.transitions, alone.transitions)
