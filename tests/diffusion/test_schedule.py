"""The noise schedule and the forward process."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symdiff.diffusion import Schedule
from symdiff.diffusion.process import posterior_mean, posterior_variance, q_sample
from symdiff.errors import ConfigError

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}


def test_linear_schedule_is_that_of_the_ddpm_paper() -> None:
    alpha_bar = SCHEDULES["linear"].alpha_bar
    assert SCHEDULES["linear"].T == 1000
    torch.testing.assert_close(1 - alpha_bar[1] / alpha_bar[0], torch.tensor(1e-4, dtype=torch.float64))
    torch.testing.assert_close(1 - alpha_bar[1000] / alpha_bar[999], torch.tensor(0.02, dtype=torch.float64))
    assert float(alpha_bar[-1]) == pytest.approx(4.0358e-5, rel=1e-4)


def test_cosine_schedule_clips_its_last_variance() -> None:
    alpha_bar = SCHEDULES["cosine"].alpha_bar
    assert float(alpha_bar[1000] / alpha_bar[999]) == pytest.approx(1e-3)
    middle = torch.cos(torch.tensor((0.5 + 0.008) / 1.008 * torch.pi / 2, dtype=torch.float64)) ** 2
    start = torch.cos(torch.tensor(0.008 / 1.008 * torch.pi / 2, dtype=torch.float64)) ** 2
    torch.testing.assert_close(alpha_bar[500], middle / start)


@given(st.integers(1, 1000))
def test_a_run_visits_decreasing_times_from_T_to_0(steps: int) -> None:
    times = SCHEDULES["linear"].timesteps(steps)
    assert len(times) == steps + 1
    assert (int(times[0]), int(times[-1])) == (1000, 0)
    assert bool((times.diff() < 0).all())
    torch.testing.assert_close(times.double(), 1000 * (1 - torch.arange(steps + 1) / steps).double(), atol=0.51, rtol=0)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_a_number_of_steps_out_of_range_is_refused(steps: int) -> None:
    with pytest.raises(ConfigError, match=f"steps is {steps}"):
        SCHEDULES["linear"].timesteps(steps)


@pytest.mark.parametrize("alpha_bar", [[1.0], [0.9, 0.5], [1.0, 0.5, 0.5], [1.0, 0.5, 0.7], [1.0, 0.5, -0.1]])
def test_products_that_are_no_schedule_are_refused(alpha_bar: list[float]) -> None:
    with pytest.raises(ConfigError, match="alpha_bar"):
        Schedule(torch.tensor(alpha_bar))


def test_zero_terminal_snr_is_a_schedule() -> None:
    assert Schedule(torch.tensor([1.0, 0.5, 0.0])).sigma(2) == 1.0


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_signal_and_noise_make_unit_variance(schedule: Schedule) -> None:
    for t in (0, 1, 500, 1000):
        assert schedule.signal(t) ** 2 + schedule.sigma(t) ** 2 == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(("t", "before"), [(1000, 980), (500, 499), (20, 0)])
def test_the_posterior_is_bayes_rule(t: int, before: int) -> None:
    """Precision and information of a product of Gaussians: prior q(x_before|x_0) times likelihood q(x_t|x_before)."""
    schedule = SCHEDULES["linear"]
    generator = torch.Generator().manual_seed(0)
    x0, x = torch.randn(2, 3, 1, 4, 4, generator=generator, dtype=torch.float64)
    alpha = float(schedule.alpha_bar[t] / schedule.alpha_bar[before])
    prior_variance, likelihood_variance = 1 - float(schedule.alpha_bar[before]), (1 - alpha) / alpha
    gain = prior_variance / (prior_variance + likelihood_variance)
    mean = schedule.signal(before) * x0
    expected = mean + gain * (x / alpha**0.5 - mean)
    torch.testing.assert_close(posterior_mean(schedule, x, x0, t, before), expected, rtol=1e-12, atol=1e-12)
    assert posterior_variance(schedule, t, before) == pytest.approx(prior_variance * (1 - gain), rel=1e-11, abs=1e-18)


def test_two_forward_stages_have_the_moments_of_one() -> None:
    """q(x_t|x_0) is q(x_t|x_s) after q(x_s|x_0), in mean and variance."""
    schedule = SCHEDULES["cosine"]
    s, t = 300, 700
    ratio = float(schedule.alpha_bar[t] / schedule.alpha_bar[s])
    x0 = torch.full((1, 1, 2, 2), 0.7, dtype=torch.float64)
    zero = torch.zeros_like(x0)
    via = ratio**0.5 * q_sample(schedule, x0, s, zero)
    torch.testing.assert_close(q_sample(schedule, x0, t, zero), via)
    assert ratio * schedule.sigma(s) ** 2 + 1 - ratio == pytest.approx(schedule.sigma(t) ** 2, rel=1e-12)


@pytest.mark.parametrize(("t", "before"), [(5, 5), (5, 6), (1001, 0), (5, -1)])
def test_a_posterior_needs_ordered_times(t: int, before: int) -> None:
    with pytest.raises(ConfigError, match="posterior"):
        posterior_variance(SCHEDULES["linear"], t, before)


ENDING_IN_NOISE = Schedule(torch.linspace(1, 0, 11, dtype=torch.float64))
BETWEEN = {**SCHEDULES, "zero terminal SNR": ENDING_IN_NOISE}


@pytest.mark.parametrize("schedule", BETWEEN.values(), ids=BETWEEN)
@given(share=st.floats(0, 1))
def test_the_time_of_a_noise_level_is_where_the_schedule_has_it(schedule: Schedule, share: float) -> None:
    t = share * schedule.T
    level = schedule.alpha_bar_at(t)
    [found] = schedule.time_of(torch.tensor([level], dtype=torch.float64)).tolist()
    assert schedule.alpha_bar_at(found) == pytest.approx(level, rel=1e-7, abs=1e-15)


@pytest.mark.parametrize("schedule", BETWEEN.values(), ids=BETWEEN)
def test_between_training_steps_the_noise_grows(schedule: Schedule) -> None:
    times = (
        torch.linspace(0, min(schedule.T, 10), 201).tolist() + torch.linspace(schedule.T - 1, schedule.T, 21).tolist()
    )
    levels = torch.tensor([schedule.alpha_bar_at(t) for t in sorted(set(times))], dtype=torch.float64)
    assert (levels.diff() < 0).all()


@pytest.mark.parametrize("schedule", BETWEEN.values(), ids=BETWEEN)
def test_training_steps_have_their_own_levels_and_whole_times(schedule: Schedule) -> None:
    steps = range(0, schedule.T + 1, max(schedule.T // 10, 1))
    assert [schedule.alpha_bar_at(t) for t in steps] == [float(schedule.alpha_bar[t]) for t in steps]
    assert schedule.time_of(schedule.alpha_bar).tolist() == list(range(schedule.T + 1))


def test_halfway_between_two_steps_the_log_signal_to_noise_ratio_is_their_mean() -> None:
    schedule = SCHEDULES["cosine"]
    mean = (schedule.log_snr[300] + schedule.log_snr[301]) / 2
    torch.testing.assert_close(torch.tensor(schedule.alpha_bar_at(300.5)).double().logit(), mean)


@pytest.mark.parametrize("t", [-0.1, 1000.5, 1001])
def test_times_outside_the_schedule_are_refused(t: float) -> None:
    with pytest.raises(ConfigError, match="outside the schedule"):
        SCHEDULES["linear"].alpha_bar_at(t)
