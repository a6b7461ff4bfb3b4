"""The bound image by image: the sum of `elbo` at all times, unbiased at a few, with the closed form inside."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from symdiff.diagnostics.intervals import mean_interval
from symdiff.diffusion import Schedule, load_denoiser
from symdiff.diffusion.bound import Bound, bound, denoising_errors, last_term
from symdiff.diffusion.bound_times import all_times, drawn_times
from symdiff.diffusion.denoisers import GaussianDenoiser
from symdiff.diffusion.elbo import DIGITS_HALF_BIN, discretised_term, elbo
from symdiff.diffusion.linear_steps import expected_bound
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.errors import ConfigError

SPREAD = torch.tensor([0.9, 0.5, 0.2, 0.05], dtype=torch.float64)
SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine(), "short": Schedule.linear(60)}


def gaussian(n: int, schedule: Schedule | None = None) -> tuple[GaussianDenoiser, Tensor]:
    generator = torch.Generator().manual_seed(0)
    denoiser = GaussianDenoiser(torch.full((1, 2, 2), 0.2), torch.diag(SPREAD**2), schedule)
    return denoiser, 0.2 + SPREAD.float().reshape(1, 2, 2) * torch.randn(n, 1, 2, 2, generator=generator)


def closed_form(denoiser: GaussianDenoiser, reverse: Tensor | None = None) -> float:
    """Bits per dimension, with variances of the reverse steps that are the same for every pixel."""
    mean = denoiser.eigenvectors.T @ denoiser.mean.flatten()
    wide = None if reverse is None else reverse[:, None].expand(-1, 4)
    nats = expected_bound(denoiser.schedule.alpha_bar.flip(0), denoiser.eigenvalues, mean, wide)
    return float(nats) / 4 / math.log(2)


def reverse_variances(denoiser: GaussianDenoiser, variance: str) -> Tensor:
    alpha_bar = denoiser.schedule.alpha_bar.flip(0)
    _, denoised, small, large = posterior_coefficients(alpha_bar)
    if variance == "optimal":
        error = (denoiser.eigenvalues * (1 - alpha_bar[:-1, None])) / (
            alpha_bar[:-1, None] * denoiser.eigenvalues + 1 - alpha_bar[:-1, None]
        )
        return small + denoised**2 * error.mean(1)
    reverse = (small if variance == "fixed_small" else large).clone()
    reverse[-1] = small[-2]
    return reverse


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize("clip", [False, True])
def test_at_all_times_the_mean_over_images_is_the_bound_of_elbo(variance: str, clip: bool) -> None:
    """The same draws, so to rounding."""
    denoiser, images = gaussian(7, SCHEDULES["short"])
    whole = elbo(denoiser, images, variance, clip, seed=3)
    found = bound(denoising_errors(denoiser, images, all_times(denoiser.schedule), clip, 3), variance, DIGITS_HALF_BIN)
    assert float(found.total.mean()) == pytest.approx(whole.bits_per_dim, rel=1e-12)
    assert float(found.prior.mean()) == pytest.approx(whole.prior / math.log(2), rel=1e-12)
    torch.testing.assert_close(found.transitions.mean(1), whole.transitions / math.log(2), rtol=1e-12, atol=0)
    assert found.time_variance == 0


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "optimal"])
@pytest.mark.parametrize("thorough", [True, False], ids=["all times", "64 times"])
def test_the_bound_on_continuous_data_is_its_closed_form(variance: str, thorough: bool) -> None:
    denoiser, images = gaussian(1500)
    times = all_times(denoiser.schedule) if thorough else drawn_times(denoiser.schedule, 64)
    found = bound(denoising_errors(denoiser, images, times), variance, None)
    expected = closed_form(denoiser, reverse_variances(denoiser, variance))
    low, high = mean_interval(found.total, found.time_variance)
    assert low < expected < high
    assert high - low < 0.16


def test_the_best_scalar_variance_is_its_closed_form() -> None:
    """``beta_tilde + Q^2 mean(posterior variance of x_0)``, and at t = 1 that mean alone."""
    denoiser, images = gaussian(4000)
    times = drawn_times(denoiser.schedule, 12)
    found = bound(denoising_errors(denoiser, images, times), "optimal", None)
    expected = reverse_variances(denoiser, "optimal")
    torch.testing.assert_close(found.reverse, expected[denoiser.schedule.T - times.t], rtol=0.03, atol=0)
    assert found.last_reverse == pytest.approx(float(expected[-1]), rel=0.03)


def test_the_best_variance_is_best_also_on_images_that_had_no_say() -> None:
    """On average: each half is judged with what the other half asks for, so that few images are no advantage."""
    denoiser, images = gaussian(400)
    errors = denoising_errors(denoiser, images, drawn_times(denoiser.schedule, 64))
    totals = {kind: float(bound(errors, kind, None).total.mean()) for kind in ("optimal", "fixed_small", "fixed_large")}
    assert totals["optimal"] < min(totals["fixed_small"], totals["fixed_large"])
    own = errors.squared.mean(1)  # fitted on all images, and judged on them
    _, denoised, small, _ = posterior_coefficients(denoiser.schedule.alpha_bar.flip(0))
    step = denoiser.schedule.T - errors.times.t
    flattered = 0.5 * torch.log1p(denoised[step] ** 2 * own / small[step]) / math.log(2)
    honest = bound(errors, "optimal", None).transitions.mean(1)
    assert float((honest - flattered).mean()) > 0


def test_one_image_has_no_best_variance_that_is_honest() -> None:
    denoiser, images = gaussian(1, SCHEDULES["short"])
    errors = denoising_errors(denoiser, images, all_times(denoiser.schedule))
    with pytest.raises(ConfigError, match="two images"):
        bound(errors, "optimal", None)
    with pytest.raises(ConfigError, match="no variance 'learned'"):
        bound(errors, "learned", None)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@given(most=st.integers(2, 90), seed=st.integers(0, 5))
def test_drawn_times_stand_for_all_of_them(schedule: Schedule, most: int, seed: int) -> None:
    times = drawn_times(schedule, most, seed)
    assert len(times.t) <= most or times.exhaustive
    assert len(times.t) >= min(most - 1, schedule.T - 1)
    assert times.t.tolist() == sorted(times.t.tolist(), reverse=True)
    assert 2 <= int(times.t.min()) <= int(times.t.max()) <= schedule.T
    assert float(times.weight.min()) > 0
    _, sizes = torch.unique(times.stratum, return_counts=True)
    assert set(sizes.tolist()) <= {1, 2}
    alone = sizes[torch.searchsorted(torch.unique(times.stratum), times.stratum)] == 1
    assert (times.weight[alone] == 1).all()


@pytest.mark.parametrize("most", [3, 8, 30])
def test_sums_over_drawn_times_are_unbiased_and_their_variance_is_known(most: int) -> None:
    """Of any terms: here of some that the draw does not expect."""
    schedule = SCHEDULES["short"]
    terms = 1 + torch.sin(torch.arange(schedule.T + 1, dtype=torch.float64)) + 30 / (1 + torch.arange(schedule.T + 1))
    sums, variances = [], []
    for seed in range(600):
        times = drawn_times(schedule, most, seed)
        found = Bound(
            prior=torch.zeros(1),
            transitions=terms[times.t][:, None],
            reconstruction=torch.zeros(1),
            reverse=torch.ones(len(times.t)),
            last_reverse=1.0,
            times=times,
        )
        sums.append(float(found.transitions_sum))
        variances.append(found.time_variance)
    spread, mean = torch.tensor(sums).var(), torch.tensor(sums).mean()
    assert float(mean) == pytest.approx(float(terms[2:].sum()), abs=4 * float(spread / len(sums)) ** 0.5)
    assert float(torch.tensor(variances).mean()) == pytest.approx(float(spread), rel=0.25)


def test_sixty_four_times_add_little_to_the_spread_over_images() -> None:
    denoiser = load_denoiser("gaussian")
    data = denoiser.held_out()
    assert data is not None
    found = bound(denoising_errors(denoiser, data.images, drawn_times(denoiser.schedule, 64)), "fixed_large", None)
    assert found.time_variance < 0.5 * float(found.total.var()) / len(found.total)


def test_fewer_than_two_times_are_refused() -> None:
    with pytest.raises(ConfigError, match="at 1 times"):
        drawn_times(Schedule.linear(), 1)


@given(st.floats(1e-4, 2.0), st.floats(-1, 1))
def test_the_last_term_of_continuous_data_is_a_normal_density(variance: float, mean: float) -> None:
    x0 = torch.tensor([0.3, -0.2], dtype=torch.float64).reshape(1, 1, 1, 2)
    means = torch.full_like(x0, mean)
    exact = -torch.distributions.Normal(means, math.sqrt(variance)).log_prob(x0).mean()
    assert float(last_term(x0, means, variance, None)) == pytest.approx(float(exact), rel=1e-9, abs=1e-9)


def test_the_best_last_variance_of_grey_levels_is_found() -> None:
    """No variance on a grid does better than the one found, whether the error is within a bin or above."""
    for error in (0.01, 0.3):
        denoiser, _ = gaussian(1, SCHEDULES["short"])
        x0 = torch.randint(0, 17, (200, 1, 2, 2), generator=torch.Generator().manual_seed(0)).double() / 8 - 1
        errors = denoising_errors(denoiser, x0.float(), all_times(denoiser.schedule))
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        shifted = type(errors)(**{**vars(errors), "images": x0, "last": x0 + error * noise})
        found = bound(shifted, "optimal", 1 / 16)
        best = min(
            float(discretised_term(x0, x0 + error * noise, std, 1 / 16).mean()) / math.log(2)
            for std in torch.logspace(-2.2, 0, 60).tolist()
        )
        assert float(found.reconstruction.mean()) <= best + 0.02
