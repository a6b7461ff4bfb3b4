"""Gaussian data N(mu, C), where every closed form of the reverse process is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diffusion import DDIM, DDPM, Sampler, Schedule
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.linear_steps import (
    expected_bound,
    marginal_variance,
    reverse_variance,
    step_eigenvalues,
    step_offsets,
)

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}
EIGENVALUES = torch.tensor([4.0, 1.0, 0.3, 0.01, 0.0], dtype=torch.float64)
SAMPLERS = [DDPM(), DDPM("fixed_large"), DDIM(), DDIM(0.5), DDIM(1.0)]

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)


def random_denoiser(schedule: Schedule) -> GaussianDenoiser:
    """Gaussian data in 9 dimensions with a mean and a full covariance."""
    generator = torch.Generator().manual_seed(3)
    factor = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    mean = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    return GaussianDenoiser(mean, factor @ factor.T / 9, schedule)


def mean_map(denoiser: GaussianDenoiser, sampler: Sampler, steps: int, i: int) -> tuple[Tensor, Tensor]:
    """Linear part and offset of the mean of step i, read off the denoiser itself."""
    table = sampler.coefficients(denoiser.schedule, steps)
    states = torch.cat([torch.zeros(1, 9, dtype=torch.float64), torch.eye(9, dtype=torch.float64)]).reshape(-1, 1, 3, 3)
    x0hat = denoiser.denoise(states, int(table.timesteps[i]))
    image = (float(table.P[i]) * states + float(table.Q[i]) * x0hat).flatten(1)
    return (image[1:] - image[0]).T, image[0]


@every_schedule
@every_sampler
@pytest.mark.parametrize("i", [0, 10, 19])
def test_steps_are_affine_with_the_eigenvectors_of_the_covariance(schedule: Schedule, sampler: Sampler, i: int) -> None:
    denoiser = random_denoiser(schedule)
    table = sampler.coefficients(schedule, 20)
    linear, offset = mean_map(denoiser, sampler, 20, i)
    basis = denoiser.eigenvectors
    expected = basis @ torch.diag(step_eigenvalues(table, denoiser.eigenvalues)[i]) @ basis.T
    torch.testing.assert_close(linear, expected, rtol=1e-11, atol=1e-12)
    mean = denoiser.mean.flatten()
    offsets = step_offsets(table, denoiser.eigenvalues, basis.T @ mean)[i]
    torch.testing.assert_close(offset, basis @ offsets, rtol=1e-11, atol=1e-12)
    signal, signal_after = table.alpha_bar[i].sqrt(), table.alpha_bar[i + 1].sqrt()
    torch.testing.assert_close(offset, signal_after * mean - linear @ (signal * mean), rtol=1e-11, atol=1e-12)


@every_schedule
@every_sampler
def test_all_steps_commute(schedule: Schedule, sampler: Sampler) -> None:
    denoiser = random_denoiser(schedule)
    maps = [mean_map(denoiser, sampler, 20, i)[0] for i in (0, 7, 15, 19)]
    for first in maps:
        for second in maps:
            torch.testing.assert_close(first @ second, second @ first, rtol=0, atol=1e-12)


@every_schedule
@pytest.mark.parametrize("steps", [20, 1000])
def test_ddpm_eigenvalues_and_their_product(schedule: Schedule, steps: int) -> None:
    """sqrt(alpha_t) s_{t-1}/s_t, whose product over the run is sqrt(alpha_bar_T) lambda / s_T."""
    table = DDPM().coefficients(schedule, steps)
    spread = marginal_variance(table.alpha_bar, EIGENVALUES)
    alpha = table.alpha_bar[:-1] / table.alpha_bar[1:]
    values = step_eigenvalues(table, EIGENVALUES)
    torch.testing.assert_close(values, alpha.sqrt()[:, None] * spread[1:] / spread[:-1], rtol=1e-12, atol=1e-13)
    product = table.alpha_bar[0].sqrt() * EIGENVALUES / spread[0]
    torch.testing.assert_close(values.prod(dim=0), product, rtol=1e-9, atol=1e-14)


@every_schedule
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_eigenvalues(schedule: Schedule, eta: float) -> None:
    """kappa/sigma + (A' - kappa A/sigma) A lambda / s_t; for eta = 0 this is (A A' lambda + sigma sigma')/s_t."""
    table = DDIM(eta).coefficients(schedule, 50)
    now, after = table.alpha_bar[:-1, None], table.alpha_bar[1:, None]
    spread = marginal_variance(table.alpha_bar[:-1], EIGENVALUES)
    kappa = (1 - after - eta**2 * (1 - after) / (1 - now) * (1 - now / after)).clamp(min=0).sqrt()
    sigma = (1 - now).sqrt()
    expected = kappa / sigma + (after.sqrt() - kappa * now.sqrt() / sigma) * now.sqrt() * EIGENVALUES / spread
    values = step_eigenvalues(table, EIGENVALUES)
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-12)
    if eta == 0:
        plain = ((now * after).sqrt() * EIGENVALUES + ((1 - now) * (1 - after)).sqrt()) / spread
        torch.testing.assert_close(values, plain, rtol=1e-12, atol=1e-13)


@every_schedule
def test_the_product_of_ddim_eigenvalues_tends_to_the_optimal_transport_map(schedule: Schedule) -> None:
    """With finer schedules prod -> sqrt(lambda / s_T): the monotone map of noise to data."""
    positive = EIGENVALUES[:-1]
    errors = []
    for steps in (50, 200, 1000):
        table = DDIM().coefficients(schedule, steps)
        target = (positive / marginal_variance(table.alpha_bar[:1], positive)[0]).sqrt()
        errors.append(float((step_eigenvalues(table, positive).prod(dim=0) / target - 1).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1


@every_schedule
def test_the_exact_reverse_variance_is_that_of_conditioning_a_joint_gaussian(schedule: Schedule) -> None:
    """Var[x'|x] = s' - Cov(x', x)^2 / s, with Cov(x', x) = sqrt(alpha) s' for each eigenvalue."""
    alpha_bar = DDPM().coefficients(schedule, 50).alpha_bar
    spread = marginal_variance(alpha_bar, EIGENVALUES)
    alpha = (alpha_bar[:-1] / alpha_bar[1:])[:, None]
    expected = spread[1:] - alpha * spread[1:] ** 2 / spread[:-1]
    torch.testing.assert_close(reverse_variance(alpha_bar, EIGENVALUES), expected, rtol=1e-9, atol=1e-13)


@every_schedule
def test_exact_reverse_steps_carry_marginal_to_marginal(schedule: Schedule) -> None:
    """eigenvalue^2 s_t + reverse variance = s_{t-1}: what makes the bound below tight."""
    table = DDPM().coefficients(schedule, 50)
    spread = marginal_variance(table.alpha_bar, EIGENVALUES)
    carried = step_eigenvalues(table, EIGENVALUES) ** 2 * spread[:-1] + reverse_variance(table.alpha_bar, EIGENVALUES)
    torch.testing.assert_close(carried, spread[1:], rtol=1e-12, atol=1e-13)


@given(
    st.lists(st.floats(1e-3, 1e2), min_size=1, max_size=6),
    st.floats(-3, 3),
    st.sampled_from(["linear", "cosine"]),
    st.sampled_from([10, 100, 1000]),
)
def test_the_bound_loses_only_the_mismatch_of_the_prior(
    eigenvalues: list[float], mean: float, kind: str, steps: int
) -> None:
    """E[sum of L] - H(x_0) - KL(q(x_T) || N(0, I)) = 0."""
    table = DDPM().coefficients(SCHEDULES[kind], steps)
    values = torch.tensor(eigenvalues, dtype=torch.float64)
    means = torch.full_like(values, mean)
    spread = marginal_variance(table.alpha_bar[:1], values)[0]
    entropy = 0.5 * (2 * math.pi * math.e * values).log().sum()
    mismatch = 0.5 * (spread + table.alpha_bar[0] * means**2 - 1 - spread.log()).sum()
    bound = expected_bound(table.alpha_bar, values, means)
    assert float(bound - entropy - mismatch) == pytest.approx(0, abs=1e-11 * len(values))


def test_the_bound_is_tight_to_rounding_on_the_reference_case() -> None:
    table = DDPM().coefficients(SCHEDULES["cosine"], 50)
    values = EIGENVALUES[:4]
    spread = marginal_variance(table.alpha_bar[:1], values)[0]
    entropy = 0.5 * (2 * math.pi * math.e * values).log().sum()
    mismatch = 0.5 * (spread - 1 - spread.log()).sum()
    assert abs(float(expected_bound(table.alpha_bar, values, torch.zeros(4).double()) - entropy - mismatch)) < 1e-13


def test_the_augmented_matrices_split_only_without_a_mean() -> None:
    """Dimension of the commutant of {[[A_t, v_t], [0, 1]]}: d + 1 if mu = 0, and 1 if every mu_i is other than 0."""
    table = DDPM().coefficients(SCHEDULES["linear"], 20)
    values = torch.tensor([3.0, 1.0, 0.2], dtype=torch.float64)
    sizes = {}
    for mu in (0.0, 1.0):
        offsets = step_offsets(table, values, torch.full_like(values, mu))
        equations = []
        for eigenvalue, offset in zip(step_eigenvalues(table, values), offsets, strict=True):
            matrix = torch.eye(4, dtype=torch.float64)
            matrix[:3, :3], matrix[:3, 3] = torch.diag(eigenvalue), offset
            eye = torch.eye(4, dtype=torch.float64)
            equations.append(torch.kron(matrix, eye) - torch.kron(eye, matrix.T.contiguous()))
        singular = torch.linalg.svdvals(torch.cat(equations))
        sizes[mu] = int((singular < 1e-10 * singular[0]).sum())
    assert sizes == {0.0: 4, 1.0: 1}
