"""Recordings of every k-th state: which are kept, and what the steps between them are."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.diffusion import DDIM, DDPM, Schedule, affine
from symdiff.diffusion.samplers import posterior_coefficients
from symdiff.errors import ConfigError
from symdiff.trajectories import GAUGES, Trajectories, record
from symdiff.trajectories.noise import BatchNoise
from symdiff.trajectories.thinning import composite, kept, ordinal

SCHEDULES = {"linear": Schedule.linear(), "cosine": Schedule.cosine()}

thinned_runs = st.integers(1, 60).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(1, steps)))


@given(thinned_runs)
def test_the_first_and_the_last_state_are_kept_and_those_between_at_even_distance(run: tuple[int, int]) -> None:
    steps, every = run
    states = kept(steps, every)
    assert (states[0], states[-1]) == (0, steps)
    gaps = [b - a for a, b in pairwise(states)]
    assert set(gaps[:-1]) <= {every}
    assert 1 <= gaps[-1] <= every


@pytest.mark.parametrize("every", [0, -1, 9])
def test_a_distance_that_does_not_fit_is_refused(gaussian, every: int) -> None:
    with pytest.raises(ConfigError, match=f"every is {every}"):
        record(gaussian, DDPM(), 8, 2, device="cpu", every=every)


@pytest.mark.parametrize("sampler", [DDPM(), DDPM("fixed_large"), DDIM(), DDIM(eta=0.5)], ids=repr)
def test_every_state_kept_leaves_the_steps_as_they_are_bit_for_bit(sampler) -> None:
    table = sampler.coefficients(SCHEDULES["cosine"], 12)
    steps = composite(table, 1)
    assert torch.equal(steps.timesteps, table.timesteps)
    for name, expected in (
        ("alpha_bar", table.alpha_bar),
        ("scale", table.scale),
        ("state_coefficient", table.P),
        ("denoised_coefficient", table.Q),
        ("noise_std", table.noise_std),
    ):
        assert torch.equal(getattr(steps, name), expected), name
    assert all(torch.equal(steps.gauges[name], a) for name, a in table.gauges().items())
    assert steps.one_step


@given(run=thinned_runs, schedule=st.sampled_from(sorted(SCHEDULES)))
def test_posterior_steps_with_x0hat_held_fixed_compose_to_the_posterior_of_the_longer_step(run, schedule) -> None:
    """``q(x_s | x_t, x_0)`` is the law of going through ``q(x_u | x_t, x_0)`` and ``q(x_s | x_u, x_0)``."""
    steps, every = run
    found = composite(DDPM().coefficients(SCHEDULES[schedule], steps), every)
    p, q, variance, _ = posterior_coefficients(found.alpha_bar)
    torch.testing.assert_close(found.state_coefficient, p, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found.denoised_coefficient, q, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found.noise_std, variance.sqrt(), rtol=1e-9, atol=1e-12)
    assert found.one_step is (every == 1)


@given(run=thinned_runs)
def test_gauges_multiply_and_telescope(run: tuple[int, int]) -> None:
    steps, every = run
    found = composite(DDPM().coefficients(SCHEDULES["linear"], steps), every)
    ratio = (found.alpha_bar[1:] / found.alpha_bar[:-1]).sqrt()
    torch.testing.assert_close(found.gauges["eps"], ratio, rtol=1e-10, atol=0)
    torch.testing.assert_close(found.gauges["v"], 1 / ratio, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found.gauges["x0"], found.state_coefficient, rtol=1e-12, atol=0)


@settings(max_examples=20)
@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 2.0, math.inf, math.nan]), min_size=1, max_size=8),
    every=st.integers(1, 8),
)
def test_what_is_no_group_element_at_one_step_is_none_in_the_composite(values: list[float], every: int) -> None:
    every = min(every, len(values))
    table = DDPM().coefficients(SCHEDULES["linear"], len(values))
    table = replace(table, P=torch.tensor(values, dtype=torch.float64))  # the gauge x0 of every step
    for a, start in zip(composite(table, every).gauges["x0"].tolist(), range(0, len(values), every), strict=True):
        expected = math.prod(values[start : start + every])
        assert a == expected or (math.isnan(a) and math.isnan(expected))


def both(model, sampler, every: int, steps: int = 11, n: int = 4) -> tuple[Trajectories, Trajectories]:
    whole = record(model, sampler, steps, n, seed=3, device="cpu")
    return whole, record(model, sampler, steps, n, seed=3, device="cpu", every=every)


@pytest.mark.parametrize("every", [2, 3, 5, 11])
def test_the_states_kept_are_those_of_the_whole_run_and_their_estimates(gaussian, every: int) -> None:
    whole, thinned = both(gaussian, DDPM(), every)
    states = kept(11, every)
    assert torch.equal(thinned.states, whole.states[:, states])
    assert torch.equal(thinned.denoised, whole.denoised[:, states[:-1]])
    assert torch.equal(thinned.timesteps, whole.timesteps[states])
    assert torch.equal(thinned.alpha_bar, whole.alpha_bar[states])
    assert thinned.info["every"] == every
    assert not thinned.one_step


@pytest.mark.parametrize("gauge", GAUGES)
@pytest.mark.parametrize("sampler", [DDPM(), DDIM()], ids=repr)
def test_the_element_of_a_recorded_step_is_the_product_of_the_samplers(gaussian, sampler, gauge: str) -> None:
    whole, thinned = both(gaussian, sampler, 4)

    def elements(recording: Trajectories) -> torch.Tensor:
        states = recording.states.double()
        return affine.from_step(states[:, :-1], states[:, 1:], recording.gauges[gauge].expand(len(recording), -1))

    fine, coarse = elements(whole), elements(thinned)
    states = kept(11, 4)
    for j, (first, end) in enumerate(pairwise(states)):
        product = fine[:, first]
        for i in range(first + 1, end):
            product = affine.compose(fine[:, i], product)
        torch.testing.assert_close(coarse[:, j], product, rtol=1e-9, atol=1e-9)


def test_with_one_estimate_for_all_steps_the_recorded_step_is_its_first_order_form(scripted) -> None:
    estimate = torch.linspace(-1, 1, 16).reshape(1, 4, 4)
    model = scripted(lambda x, t: estimate.expand_as(x))
    _, thinned = both(model, DDIM(), 4)
    column = (slice(None), None, None, None)
    mean = thinned.state_coefficient[column] * thinned.states[:, :-1] + thinned.denoised_coefficient[column] * estimate
    torch.testing.assert_close(thinned.states[:, 1:].double(), mean, rtol=1e-5, atol=1e-5)


def test_the_noise_of_a_recorded_step_is_what_its_steps_inject_carried_to_its_end(scripted) -> None:
    """Also where the noise is not the posterior's, so that nothing telescopes."""
    model, sampler = scripted(lambda x, t: torch.zeros_like(x)), DDPM("fixed_large")
    whole, thinned = both(model, sampler, 4)
    noise = BatchNoise(3, range(4), model.shape)
    injected = torch.stack([noise.normal(i) for i in range(-1, 11)], dim=1)[:, 1:].double()
    states = kept(11, 4)
    for j, (first, end) in enumerate(pairwise(states)):
        carried, variance = torch.zeros_like(injected[:, 0]), 0.0
        for i in range(first, end):
            p, s = float(whole.state_coefficient[i]), float(whole.noise_std[i])
            carried, variance = p * carried + s * injected[:, i], p * p * variance + s * s
        left = thinned.states[:, j + 1].double() - float(thinned.state_coefficient[j]) * thinned.states[:, j].double()
        torch.testing.assert_close(left, carried, rtol=1e-4, atol=1e-5)
        assert float(thinned.noise_std[j]) == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_which_states_are_kept_is_said_in_english() -> None:
    said = {n: ordinal(n) for n in (2, 3, 4, 11, 12, 13, 21, 22, 112, 123)}
    assert list(said.values()) == ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "112th", "123rd"]
